"""What has happened to a person's tasks and money since they last read their news."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from tracker_service.models import NEWS_FOR, OPEN, Assignment, CarriedDebt, Movement, Task

#: Tasks that are counted at the most; there may be more.
MOST_ARRIVALS = 99


@dataclass(frozen=True)
class Arrival:
    """A task that the person has got, and still has to do."""

    task_id: UUID
    title: str
    at: datetime


@dataclass(frozen=True)
class Income:
    """Movements of one kind, taken together."""

    count: int
    cents: int
    #: Of the newest; None if there is none.
    at: datetime | None


@dataclass(frozen=True)
class Debt:
    """A balance below zero that went from a closed day into the next."""

    day: date
    balance_cents: int
    at: datetime


@dataclass(frozen=True)
class News:
    """What a person has not read yet, the newest tasks first."""

    arrivals: Sequence[Arrival]
    rewards: Income
    payouts: Income
    debt: Debt | None

    @property
    def count(self) -> int:
        """How many things that are."""
        return len(self.arrivals) + self.rewards.count + self.payouts.count + (self.debt is not None)

    @property
    def until(self) -> datetime | None:
        """The moment of the newest of them."""
        moments = [arrival.at for arrival in self.arrivals[:1]]
        moments += [at for at in (self.rewards.at, self.payouts.at, self.debt and self.debt.at) if at]
        return max(moments, default=None)


def news(session: Session, user_id: UUID, *, read_until: datetime | None, now: datetime) -> News:
    """Tasks that came, money that came, and a debt that was carried, since the person last read such news."""
    since = max(read_until, now - NEWS_FOR) if read_until else now - NEWS_FOR
    rewards, payouts = _income(session, user_id, since)
    return News(_arrivals(session, user_id, since), rewards, payouts, _debt(session, user_id, since))


def _arrivals(session: Session, user_id: UUID, since: datetime) -> Sequence[Arrival]:
    """Tasks that have come and have not gone: of one that was reassigned meanwhile there is nothing to do."""
    came = (
        select(Task.public_id, Task.title, Assignment.assigned_at)
        .join(Assignment, (Assignment.task_number == Task.id) & (Assignment.assignment_no == Task.assignment_no))
        .where(Assignment.assignee_id == user_id, Assignment.assigned_at > since, Task.status == OPEN)
        .order_by(Assignment.assigned_at.desc())
        .limit(MOST_ARRIVALS)
    )
    return [Arrival(*row) for row in session.execute(came)]


def _income(session: Session, user_id: UUID, since: datetime) -> tuple[Income, Income]:
    def of(kind: str) -> list[ColumnElement[Any]]:
        mine = Movement.kind == kind
        cents = func.coalesce(func.sum(Movement.amount_cents).filter(mine), 0)
        return [func.count().filter(mine), cents, func.max(Movement.posted_at).filter(mine)]

    moved = select(*of("reward"), *of("payout")).where(Movement.user_id == user_id, Movement.posted_at > since)
    rewards, cents, at, payouts, paid_cents, paid_at = session.execute(moved).one()
    return Income(rewards, int(cents), at), Income(payouts, -int(paid_cents), paid_at)


def _debt(session: Session, user_id: UUID, since: datetime) -> Debt | None:
    carried = (
        select(CarriedDebt.day, CarriedDebt.balance_cents, CarriedDebt.carried_at)
        .where(CarriedDebt.user_id == user_id, CarriedDebt.carried_at > since, CarriedDebt.balance_cents < 0)
        .order_by(CarriedDebt.day.desc())
        .limit(1)
    )
    row = session.execute(carried).first()
    return Debt(*row) if row else None
