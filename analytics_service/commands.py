"""What analytics learns from an event. The caller owns the transaction; every function may be called again.

A row that billing or the tracker announces is replaced by one of a higher sequence and by no other. A movement is
counted once, and all counting is adding, so the order does not matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from analytics_service.domain.balances import post
from analytics_service.models import (
    Account,
    AccountDay,
    Base,
    ClosedDay,
    IncomeDay,
    Movement,
    MovementDay,
    Task,
)

FEE, REWARD = "fee", "reward"


@dataclass(frozen=True, kw_only=True)
class Posting:
    """A movement as billing tells of it."""

    transaction_id: UUID
    account_id: UUID
    kind: str
    task_id: UUID | None
    amount_cents: int
    business_day: date
    posted_at: datetime


def name_task(session: Session, task_id: UUID, *, title: str, jira_id: str | None, sequence: int) -> None:
    """Note what a task is called now."""
    _keep_newest(session, Task, {"task_id": task_id}, {"title": title, "jira_id": jira_id, "sequence": sequence})


def note_balance(session: Session, account_id: UUID, *, user_id: UUID, balance_cents: int, sequence: int) -> None:
    """Note the balance that billing announced."""
    said = {"user_id": user_id, "balance_cents": balance_cents, "sequence": sequence}
    _keep_newest(session, Account, {"account_id": account_id}, said)


def note_income(session: Session, day: date, said: Mapping[str, Any]) -> None:
    """Note a day's income as billing announced it."""
    _keep_newest(session, IncomeDay, {"day": day}, said)


def note_closed_day(session: Session, day: date, said: Mapping[str, Any]) -> None:
    """Note billing's report of a day. A day is closed once, so there is no newer one."""
    session.execute(insert(ClosedDay).values(day=day, **said).on_conflict_do_nothing())


def count_movement(session: Session, posting: Posting) -> None:
    """Count a movement into its account's days and into its day; the second time nothing happens.

    The caller has noted the account's balance first: that row's lock keeps two consumers from counting into the same
    account at once.
    """
    new = insert(Movement).values(**vars(posting)).on_conflict_do_nothing().returning(Movement.transaction_id)
    if session.scalar(new) is None:
        return
    account_id, day = posting.account_id, posting.business_day
    last_before = (
        select(func.max(AccountDay.day))
        .where(AccountDay.account_id == account_id, AccountDay.day <= day)
        .scalar_subquery()
    )
    known = session.execute(
        select(AccountDay.day, AccountDay.balance_cents).where(
            AccountDay.account_id == account_id, AccountDay.day >= func.coalesce(last_before, day)
        )
    )
    posted = post([(row.day, row.balance_cents) for row in known], day, posting.amount_cents)
    balances = insert(AccountDay).values(
        [{"account_id": account_id, "day": on, "balance_cents": cents} for on, cents in posted.balances.items()]
    )
    session.execute(
        balances.on_conflict_do_update(
            index_elements=["account_id", "day"], set_={"balance_cents": balances.excluded.balance_cents}
        )
    )
    _add_to_days(session, posting, posted.crossings)


def forget_everything(session: Session) -> None:
    """Empty all tables of conclusions; a replay of history fills them again."""
    for table in Base.metadata.sorted_tables:
        session.execute(delete(table))


def _add_to_days(session: Session, posting: Posting, crossings: Mapping[date, int]) -> None:
    """Add the movement to its day, and the accounts that got below zero, or out of it, to theirs."""
    nothing = {"fees_cents": 0, "rewards_cents": 0, "moved_at": None}
    rows = {day: {**nothing, "day": day, "negative_change": change} for day, change in crossings.items()}
    rows[posting.business_day] = {
        "day": posting.business_day,
        "fees_cents": -posting.amount_cents if posting.kind == FEE else 0,
        "rewards_cents": posting.amount_cents if posting.kind == REWARD else 0,
        "negative_change": crossings.get(posting.business_day, 0),
        "moved_at": posting.posted_at,
    }
    # In one order for all, so that two consumers never wait for each other in a circle.
    added = insert(MovementDay).values([rows[day] for day in sorted(rows)])
    sums = {
        name: getattr(MovementDay, name) + added.excluded[name]
        for name in ("fees_cents", "rewards_cents", "negative_change")
    }
    latest = func.greatest(MovementDay.moved_at, added.excluded.moved_at)
    session.execute(added.on_conflict_do_update(index_elements=["day"], set_={**sums, "moved_at": latest}))


def _keep_newest(session: Session, model: type[Base], key: Mapping[str, Any], said: Mapping[str, Any]) -> None:
    """Insert the row, or replace it by one of a higher sequence. It is locked in either case."""
    row = insert(model).values(**key, **said)
    session.execute(
        row.on_conflict_do_update(
            index_elements=list(key),
            set_={name: row.excluded[name] for name in said},
            where=model.__table__.c.sequence < row.excluded.sequence,
        )
    )
