"""What analytics learns from an event. The caller owns the transaction; every function may be called again.

A row that billing or the tracker announces is replaced by one of a higher sequence and by no other. A movement is
counted once, and all counting is adding, so the order does not matter.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, Executable, bindparam, cast, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from analytics_service.domain.balances import post_all
from analytics_service.models import Account, Base, ClockOffset, ClosedDay, IncomeDay, Task

FEE, REWARD = "fee", "reward"

_Said = TypeVar("_Said")

_NOTE_MOVEMENTS = text(
    """
    INSERT INTO movements (transaction_id, account_id, kind, task_id, amount_cents, business_day, posted_at)
    SELECT * FROM unnest(
        CAST(:transaction_ids AS uuid[]), CAST(:account_ids AS uuid[]), CAST(:kinds AS text[]),
        CAST(:task_ids AS uuid[]), CAST(:amounts AS bigint[]), CAST(:days AS date[]), CAST(:moments AS timestamptz[])
    )
    ON CONFLICT (transaction_id) DO NOTHING
    RETURNING transaction_id
    """
)
_KNOWN_DAYS = text(
    """
    SELECT moved.account_id, known.day, known.balance_cents
    FROM unnest(CAST(:account_ids AS uuid[]), CAST(:days AS date[])) AS moved (account_id, day)
    CROSS JOIN LATERAL (
        SELECT day, balance_cents FROM account_days
        WHERE account_id = moved.account_id
          AND day >= coalesce((SELECT max(day) FROM account_days earlier
                               WHERE earlier.account_id = moved.account_id AND earlier.day <= moved.day), moved.day)
    ) known
    """
)
_NOTE_BALANCES_OF_DAYS = text(
    """
    INSERT INTO account_days (account_id, day, balance_cents)
    SELECT * FROM unnest(CAST(:account_ids AS uuid[]), CAST(:days AS date[]), CAST(:balances AS bigint[]))
    ON CONFLICT (account_id, day) DO UPDATE SET balance_cents = excluded.balance_cents
    """
)
_COUNT_INTO_DAYS = text(
    """
    INSERT INTO movement_days AS known (day, fees_cents, rewards_cents, negative_change, moved_at)
    SELECT * FROM unnest(
        CAST(:days AS date[]), CAST(:fees AS bigint[]), CAST(:rewards AS bigint[]), CAST(:changes AS int[]),
        CAST(:moments AS timestamptz[])
    )
    ON CONFLICT (day) DO UPDATE
    SET fees_cents = known.fees_cents + excluded.fees_cents,
        rewards_cents = known.rewards_cents + excluded.rewards_cents,
        negative_change = known.negative_change + excluded.negative_change,
        moved_at = greatest(known.moved_at, excluded.moved_at)
    """
)


def _keep_newest(model: type[Base], key: str) -> Executable:
    """Insert rows, or replace them by those of a higher sequence. One array for each column: compiled once."""
    table = Base.metadata.tables[model.__tablename__]
    types = {column.name: ARRAY(column.type) for column in table.c}
    arrays = [cast(bindparam(_array(name), type_=type_), type_) for name, type_ in types.items()]
    row = insert(table).from_select(list(types), select(func.unnest(*arrays).table_valued(*types).render_derived()))
    said = {name: row.excluded[name] for name in types if name != key}
    newer = table.c.sequence < row.excluded.sequence
    return row.on_conflict_do_update(index_elements=[key], set_=said, where=newer)


def _array(column: str) -> str:
    """Return the name of the parameter: that of the column itself is taken."""
    return f"{column}_of_each"


_KEEP_TASK = _keep_newest(Task, "task_id")
_KEEP_BALANCE = _keep_newest(Account, "account_id")
_KEEP_INCOME = _keep_newest(IncomeDay, "day")
_KEEP_CLOSED_DAY = insert(Base.metadata.tables[ClosedDay.__tablename__]).on_conflict_do_nothing()


@dataclass(frozen=True, kw_only=True)
class Name:
    """What a task is called, as the tracker tells."""

    task_id: UUID
    title: str
    jira_id: str | None
    #: Of the task.
    sequence: int


@dataclass(frozen=True, kw_only=True)
class Balance:
    """A balance as billing announces it."""

    account_id: UUID
    user_id: UUID
    balance_cents: int
    #: Of the account.
    sequence: int


@dataclass(frozen=True, kw_only=True)
class Income:
    """A day's income so far as billing announces it."""

    day: date
    fees_cents: int
    rewards_cents: int
    income_cents: int
    changed_at: datetime
    #: Of the day.
    sequence: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """Billing's report of a closed day."""

    day: date
    fees_cents: int
    rewards_cents: int
    income_cents: int
    negative_accounts: int
    closed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Posting:
    """A movement as billing tells of it."""

    transaction_id: UUID
    #: What it made of the account.
    balance: Balance
    kind: str
    task_id: UUID | None
    amount_cents: int
    business_day: date
    posted_at: datetime


def name_tasks(session: Session, names: Iterable[Name]) -> None:
    """Note what tasks are called now."""
    _keep(session, _KEEP_TASK, names, key=attrgetter("task_id"))


def note_incomes(session: Session, incomes: Iterable[Income]) -> None:
    """Note incomes of days as billing announced them."""
    _keep(session, _KEEP_INCOME, incomes, key=attrgetter("day"))


def note_closed_days(session: Session, reports: Iterable[Report]) -> None:
    """Note billing's reports. A day is closed once, so there is no newer one."""
    for report in reports:
        session.execute(_KEEP_CLOSED_DAY, vars(report))


def note_money(session: Session, postings: Sequence[Posting], announced: Sequence[Balance]) -> None:
    """Note the balances that billing announced, and count the movements; the second time nothing happens.

    The accounts' rows come first and stay locked: nobody else counts into them meanwhile.
    """
    balances = [*(posting.balance for posting in postings), *announced]
    _keep(session, _KEEP_BALANCE, balances, key=attrgetter("account_id"))
    if postings:
        _count_movements(session, postings)


def _keep(session: Session, statement: Executable, said: Iterable[_Said], *, key: Callable[[_Said], Any]) -> None:
    """Keep the newest of what was said about each key. In one order for all: nobody waits for another in a circle."""
    newest = {key(one): one for one in sorted(said, key=attrgetter("sequence"))}
    if newest:
        rows = [vars(newest[found]) for found in sorted(newest)]
        session.execute(statement, {_array(name): [row[name] for row in rows] for name in rows[0]})


def _count_movements(session: Session, postings: Sequence[Posting]) -> None:
    """Count movements that are new into their accounts' days and into their days."""
    new = _new_among(session, postings)
    if not new:
        return
    moved = post_all(
        _known_days(session, new),
        [(posting.balance.account_id, posting.business_day, posting.amount_cents) for posting in new],
    )
    session.execute(
        _NOTE_BALANCES_OF_DAYS,
        {
            "account_ids": [str(account_id) for account_id, _ in moved.balances],
            "days": [day for _, day in moved.balances],
            "balances": list(moved.balances.values()),
        },
    )
    _count_into_days(session, new, moved.crossings)


def _new_among(session: Session, postings: Sequence[Posting]) -> list[Posting]:
    """Write the movements down; return those that were not there."""
    columns = {
        "transaction_ids": [str(posting.transaction_id) for posting in postings],
        "account_ids": [str(posting.balance.account_id) for posting in postings],
        "kinds": [posting.kind for posting in postings],
        "task_ids": [posting.task_id and str(posting.task_id) for posting in postings],
        "amounts": [posting.amount_cents for posting in postings],
        "days": [posting.business_day for posting in postings],
        "moments": [posting.posted_at for posting in postings],
    }
    new = set(session.scalars(_NOTE_MOVEMENTS, columns))
    first_of_each = {posting.transaction_id: posting for posting in reversed(postings)}
    return [posting for transaction_id, posting in first_of_each.items() if transaction_id in new]


def _known_days(session: Session, postings: Sequence[Posting]) -> list[tuple[UUID, date, int]]:
    first_days = {
        posting.balance.account_id: posting.business_day
        for posting in sorted(postings, key=attrgetter("business_day"), reverse=True)
    }
    wanted = {"account_ids": [str(account_id) for account_id in first_days], "days": list(first_days.values())}
    return [(row.account_id, row.day, row.balance_cents) for row in session.execute(_KNOWN_DAYS, wanted)]


def _count_into_days(session: Session, postings: Sequence[Posting], crossings: Mapping[date, int]) -> None:
    fees: Counter[date] = Counter()
    rewards: Counter[date] = Counter()
    moments: dict[date, datetime] = {}
    for posting in postings:
        day = posting.business_day
        fees[day] -= posting.amount_cents if posting.kind == FEE else 0
        rewards[day] += posting.amount_cents if posting.kind == REWARD else 0
        moments[day] = max(posting.posted_at, moments.get(day, posting.posted_at))
    days = sorted({*moments, *crossings})
    columns = {
        "days": days,
        "fees": [fees[day] for day in days],
        "rewards": [rewards[day] for day in days],
        "changes": [crossings.get(day, 0) for day in days],
        "moments": [moments.get(day) for day in days],
    }
    session.execute(_COUNT_INTO_DAYS, columns)


def forget_everything(session: Session) -> None:
    """Empty all tables but that of the clock: all in them are conclusions, and a replay of history draws them again."""
    for table in Base.metadata.sorted_tables:
        if table.name != ClockOffset.__tablename__:
            session.execute(delete(table))
