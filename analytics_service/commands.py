"""What analytics learns from an event. The caller owns the transaction; every function may be called again.

A row that billing or the tracker announces is replaced by one of a higher sequence and by no other. A movement is
counted once, and all counting is adding, so the order does not matter.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, Table, delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from analytics_service.domain.balances import post
from analytics_service.models import Account, Base, ClosedDay, IncomeDay, Task

FEE, REWARD = "fee", "reward"

#: The account's row is locked on the way: two consumers cannot count into the same account at once.
_NOTE_MOVEMENT = text(
    """
    WITH noted AS (
        INSERT INTO accounts (account_id, user_id, balance_cents, sequence)
        VALUES (CAST(:account_id AS uuid), CAST(:user_id AS uuid), :balance_after_cents, :sequence)
        ON CONFLICT (account_id) DO UPDATE
        SET user_id = excluded.user_id, balance_cents = excluded.balance_cents, sequence = excluded.sequence
        WHERE accounts.sequence < excluded.sequence
    )
    INSERT INTO movements (transaction_id, account_id, kind, task_id, amount_cents, business_day, posted_at)
    VALUES (CAST(:transaction_id AS uuid), CAST(:account_id AS uuid), :kind, CAST(:task_id AS uuid), :amount_cents,
            :business_day, :posted_at)
    ON CONFLICT (transaction_id) DO NOTHING
    RETURNING transaction_id
    """
)
_KNOWN_DAYS = text(
    """
    SELECT day, balance_cents FROM account_days
    WHERE account_id = CAST(:account_id AS uuid)
      AND day >= coalesce((SELECT max(day) FROM account_days
                           WHERE account_id = CAST(:account_id AS uuid) AND day <= :business_day), :business_day)
    """
)
_COUNT_MOVEMENT = text(
    """
    WITH balances AS (
        INSERT INTO account_days (account_id, day, balance_cents)
        SELECT CAST(:account_id AS uuid), day, cents
        FROM unnest(CAST(:days AS date[]), CAST(:balances AS bigint[])) AS balance (day, cents)
        ON CONFLICT (account_id, day) DO UPDATE SET balance_cents = excluded.balance_cents
    )
    INSERT INTO movement_days AS known (day, fees_cents, rewards_cents, negative_change, moved_at)
    SELECT day,
           CASE day WHEN :business_day THEN :fees_cents ELSE 0 END,
           CASE day WHEN :business_day THEN :rewards_cents ELSE 0 END,
           change,
           CASE day WHEN :business_day THEN CAST(:posted_at AS timestamptz) END
    FROM unnest(CAST(:crossing_days AS date[]), CAST(:changes AS int[])) AS crossing (day, change)
    ON CONFLICT (day) DO UPDATE
    SET fees_cents = known.fees_cents + excluded.fees_cents,
        rewards_cents = known.rewards_cents + excluded.rewards_cents,
        negative_change = known.negative_change + excluded.negative_change,
        moved_at = greatest(known.moved_at, excluded.moved_at)
    """
)


def _table(model: type[Base]) -> Table:
    """Without its model a table is written to in half the time."""
    return Base.metadata.tables[model.__tablename__]


def _keep_newest(model: type[Base], key: str) -> Executable:
    """Insert a row, or replace it by one of a higher sequence."""
    table = _table(model)
    row = insert(table)
    said = {column.name: row.excluded[column.name] for column in table.c if column.name != key}
    newer = table.c.sequence < row.excluded.sequence
    return row.on_conflict_do_update(index_elements=[key], set_=said, where=newer)


_KEEP_TASK = _keep_newest(Task, "task_id")
_KEEP_BALANCE = _keep_newest(Account, "account_id")
_KEEP_INCOME = _keep_newest(IncomeDay, "day")
_KEEP_CLOSED_DAY = insert(_table(ClosedDay)).on_conflict_do_nothing()


@dataclass(frozen=True, kw_only=True)
class Posting:
    """A movement as billing tells of it."""

    transaction_id: UUID
    account_id: UUID
    user_id: UUID
    kind: str
    task_id: UUID | None
    amount_cents: int
    balance_after_cents: int
    business_day: date
    posted_at: datetime
    #: Of the account.
    sequence: int


def name_task(session: Session, task_id: UUID, *, title: str, jira_id: str | None, sequence: int) -> None:
    """Note what a task is called now."""
    session.execute(_KEEP_TASK, {"task_id": task_id, "title": title, "jira_id": jira_id, "sequence": sequence})


def note_balance(session: Session, account_id: UUID, *, user_id: UUID, balance_cents: int, sequence: int) -> None:
    """Note the balance that billing announced."""
    said = {"user_id": user_id, "balance_cents": balance_cents, "sequence": sequence}
    session.execute(_KEEP_BALANCE, {"account_id": account_id, **said})


def note_income(
    session: Session,
    day: date,
    *,
    fees_cents: int,
    rewards_cents: int,
    income_cents: int,
    changed_at: datetime,
    sequence: int,
) -> None:
    """Note a day's income as billing announced it."""
    money = {"fees_cents": fees_cents, "rewards_cents": rewards_cents, "income_cents": income_cents}
    session.execute(_KEEP_INCOME, {"day": day, **money, "changed_at": changed_at, "sequence": sequence})


def note_closed_day(
    session: Session,
    day: date,
    *,
    fees_cents: int,
    rewards_cents: int,
    income_cents: int,
    negative_accounts: int,
    closed_at: datetime,
) -> None:
    """Note billing's report of a day. A day is closed once, so there is no newer one."""
    money = {"fees_cents": fees_cents, "rewards_cents": rewards_cents, "income_cents": income_cents}
    report = {"day": day, **money, "negative_accounts": negative_accounts, "closed_at": closed_at}
    session.execute(_KEEP_CLOSED_DAY, report)


def count_movement(session: Session, posting: Posting) -> None:
    """Count a movement into its account's days and into its day; the second time nothing happens."""
    values = {name: str(value) if isinstance(value, UUID) else value for name, value in vars(posting).items()}
    if session.scalar(_NOTE_MOVEMENT, values) is None:
        return
    known = session.execute(_KNOWN_DAYS, values)
    posted = post([(row.day, row.balance_cents) for row in known], posting.business_day, posting.amount_cents)
    # In one order for all, so that two consumers never wait for each other in a circle.
    crossings = sorted({posting.business_day: 0, **posted.crossings}.items())
    counted: dict[str, Any] = {
        **values,
        "days": list(posted.balances),
        "balances": list(posted.balances.values()),
        "crossing_days": [day for day, _ in crossings],
        "changes": [change for _, change in crossings],
        "fees_cents": -posting.amount_cents if posting.kind == FEE else 0,
        "rewards_cents": posting.amount_cents if posting.kind == REWARD else 0,
    }
    session.execute(_COUNT_MOVEMENT, counted)


def forget_everything(session: Session) -> None:
    """Empty all tables: all in them are conclusions, and a replay of history draws them again."""
    for table in Base.metadata.sorted_tables:
        session.execute(delete(table))
