"""What a person's own page shows beside the open tasks: what is new, the day's money, what was done when."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from chassis import business_clock
from chassis.db import business_timezone
from chassis.versions import version_of
from tracker_service.domain.rights import may_reassign
from tracker_service.models import OPEN, Balance, CarriedDebt, ClosedDay, Movement, NewsRead, Task
from tracker_service.queries.reassignments import Overview, overview


@dataclass(frozen=True)
class OwnState:
    """Whether a person's page is as it was, without reading what it shows."""

    open_tasks: int
    #: Until when the person has read the news; None if they never said so.
    news_read_until: datetime | None
    #: Another one whenever something of the person's tasks, money or news has changed.
    version: str
    #: The whole, for those who may reassign.
    overview: Overview | None


@dataclass(frozen=True)
class DayMoney:
    """What an account holds, and what moved on it on one business day."""

    #: None until billing has told of an account.
    balance_cents: int | None
    earned_cents: int
    spent_cents: int
    #: Signed as the employee sees it.
    corrections_cents: int

    @property
    def net_cents(self) -> int:
        """What the day has brought so far, payouts left aside."""
        return self.earned_cents - self.spent_cents + self.corrections_cents


@dataclass(frozen=True)
class DoneTask:
    """A completed task, and what billing has posted for it; None until it has."""

    task: Task
    reward_cents: int | None


@dataclass(frozen=True)
class DoneDay:
    """Tasks of one business day, and what the whole day earned."""

    day: date
    earned_cents: int
    tasks: Sequence[DoneTask]


def current_day(session: Session) -> date:
    """The business day that it is, as far as billing has told."""
    return business_clock.current_day(session, ClosedDay.day)


def own_state(session: Session, user_id: UUID, *, role: str, day: date) -> OwnState:
    """Ask for what changes whenever the person's page does: one statement, and no row is read that is not theirs.

    Those who may reassign see figures of the whole on their page, which three more statements bring.

    Of the open tasks the sum of a hash of number and version is taken: tasks that come and go are noticed also when
    their number stays the same.
    """
    hashes = func.sum(func.hashint8extended(Task.id, Task.version))
    to_do = (
        select(func.count().label("tasks"), func.count(Task.fee_cents).label("priced"), hashes.label("hashes"))
        .where(Task.assignee_id == user_id, Task.status == OPEN)
        .subquery("to_do")
    )
    newest = [
        select(NewsRead.until).where(NewsRead.user_id == user_id),
        select(Balance.sequence).where(Balance.user_id == user_id),
        select(func.max(Movement.posted_at)).where(Movement.user_id == user_id),
        select(func.max(CarriedDebt.day)).where(CarriedDebt.user_id == user_id),
    ]
    found = session.execute(select(to_do, *(one.scalar_subquery() for one in newest))).one()
    whole = overview(session) if may_reassign(role) else None
    version = version_of(user_id, role, day, *found, whole and whole.version)
    return OwnState(found[0], found[3], version, whole)


def day_money(session: Session, user_id: UUID, *, day: date) -> DayMoney:
    """What somebody's account holds now, and what moved on it on this day."""

    def moved(kind: str) -> ColumnElement[Any]:
        return func.coalesce(func.sum(Movement.amount_cents).filter(Movement.kind == kind), 0)

    balance = select(Balance.balance_cents).where(Balance.user_id == user_id).scalar_subquery()
    kinds = [moved(kind) for kind in ("reward", "fee", "correction")]
    moves = select(balance, *kinds).where(Movement.user_id == user_id, Movement.business_day == day)
    balance_cents, rewards, fees, corrections = session.execute(moves).one()
    return DayMoney(balance_cents, int(rewards), -int(fees), int(corrections))


def done_by_day(session: Session, user_id: UUID, tasks: Iterable[Task]) -> Sequence[DoneDay]:
    """Group somebody's completed tasks by business day, the latest day first.

    A task belongs to the day to which billing has posted its reward, and until then to that of its completion.
    """
    tasks = list(tasks)
    rewards = _rewards(session, user_id, tasks)
    zone = business_timezone(session)
    days: dict[date, list[DoneTask]] = {}
    for task in tasks:
        completed_at = cast(datetime, task.completed_at)  # a check of the table says so
        day, reward_cents = rewards.get(task.public_id) or (business_clock.day_of(completed_at, zone), None)
        days.setdefault(day, []).append(DoneTask(task, reward_cents))
    earned = _earned(session, user_id, days)
    return [DoneDay(day, earned.get(day, 0), days[day]) for day in sorted(days, reverse=True)]


def _rewards(session: Session, user_id: UUID, tasks: Sequence[Task]) -> dict[UUID | None, tuple[date, int]]:
    posted = select(Movement.task_id, Movement.business_day, Movement.amount_cents).where(
        Movement.task_id.in_([task.public_id for task in tasks]),
        Movement.user_id == user_id,
        Movement.kind == "reward",
    )
    return {task_id: (day, cents) for task_id, day, cents in session.execute(posted)}


def _earned(session: Session, user_id: UUID, days: Iterable[date]) -> dict[date, int]:
    sums = (
        select(Movement.business_day, func.sum(Movement.amount_cents))
        .where(Movement.user_id == user_id, Movement.business_day.in_(days), Movement.kind == "reward")
        .group_by(Movement.business_day)
    )
    return {day: int(cents) for day, cents in session.execute(sums)}
