"""The figures, as the dashboard and the API show them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Date, Select, cast, func, select, true
from sqlalchemy.orm import Session

from analytics_service.domain.calendar import Period, Span, periods_in
from analytics_service.domain.reconciliation import (
    BALANCE,
    DayFigures,
    Difference,
    Money,
    differences,
)
from analytics_service.domain.top import Completion, top_tasks
from analytics_service.models import (
    Account,
    AccountDay,
    ClosedDay,
    IncomeDay,
    Movement,
    MovementDay,
    Task,
    User,
)
from chassis import business_clock

#: An open day is compared when nothing has moved for so long: till then the news of it may still be on their way.
AT_REST = timedelta(seconds=10)

#: Accounts that disagree are listed up to this number.
_ACCOUNTS_LISTED = 50


@dataclass(frozen=True)
class Today:
    """The management's day so far."""

    day: date
    income_cents: int
    fees_cents: int
    rewards_cents: int
    #: Accounts below zero now.
    negative_accounts: int


@dataclass(frozen=True)
class DayRow:
    """A day. `negative_accounts` is their number at its end."""

    day: date
    income_cents: int
    negative_accounts: int


@dataclass(frozen=True)
class NamedTask:
    """A task as far as its name has been heard of."""

    id: UUID
    title: str | None
    jira_id: str | None


@dataclass(frozen=True)
class TopRow:
    """A period and its most expensive task, if any was completed."""

    period_start: date
    period_end: date
    task: NamedTask | None
    reward_cents: int | None


@dataclass(frozen=True)
class BelowZero:
    """A person whose balance is negative now."""

    name: str | None
    balance_cents: int


def current_day(session: Session) -> date:
    """The business day that it is, as far as billing has told."""
    return business_clock.current_day(session, ClosedDay.day)


def today(session: Session, day: date) -> Today:
    """The income of the day so far, and the accounts below zero now."""
    income = session.get(IncomeDay, day) or IncomeDay(income_cents=0, fees_cents=0, rewards_cents=0)
    negative = session.scalar(select(func.count()).where(Account.balance_cents < 0)) or 0
    return Today(day, income.income_cents, income.fees_cents, income.rewards_cents, negative)


def below_zero(session: Session, limit: int) -> Sequence[BelowZero]:
    """The people deepest below zero now."""
    rows = session.execute(
        select(User.name, Account.balance_cents)
        .select_from(Account)
        .join(User, User.user_id == Account.user_id, isouter=True)
        .where(Account.balance_cents < 0)
        .order_by(Account.balance_cents, Account.account_id)
        .limit(limit)
    )
    return [BelowZero(*row) for row in rows]


def days(session: Session, wanted: Span) -> Sequence[DayRow]:
    """Every day of the range, those without any movement too."""
    income = select(IncomeDay.day, IncomeDay.income_cents).where(IncomeDay.day.between(wanted.first, wanted.last))
    income_by_day = {row.day: row.income_cents for row in session.execute(income)}
    negative = _negative_by_day(session, wanted.days())
    return [DayRow(day, income_by_day.get(day, 0), negative[day]) for day in wanted.days()]


def top(session: Session, wanted: Span, period: Period) -> Sequence[TopRow]:
    """The most expensive task of every period that has a day in the range."""
    periods = periods_in(wanted, period)
    rows = session.execute(_best_of_each_day(periods[0].first, periods[-1].last)).all()
    tasks = {row.task_id: NamedTask(row.task_id, row.title, row.jira_id) for row in rows}
    completions = [Completion(row.task_id, row.amount_cents, row.business_day, row.posted_at) for row in rows]
    return [
        TopRow(
            found.period.first,
            found.period.last,
            tasks[found.completion.task_id] if found.completion else None,
            found.completion.reward_cents if found.completion else None,
        )
        for found in top_tasks(completions, wanted, period)
    ]


def reconcile(session: Session, now: datetime) -> Sequence[Difference]:
    """Every figure of ours that disagrees with billing's: of closed days, of open days at rest, of accounts."""
    return [*differences(_figures(session, now - AT_REST)), *_account_differences(session)]


def _best_of_each_day(first: date, last: date) -> Select[UUID, int, date, datetime, str, str | None]:
    """One look into an index per day, however many tasks were completed."""
    day = cast(func.generate_series(first, last, timedelta(days=1)), Date).label("day")
    series = select(day).subquery()
    best = (
        select(Movement.task_id, Movement.amount_cents, Movement.business_day, Movement.posted_at)
        .where(Movement.kind == "reward", Movement.business_day == series.c.day)
        .order_by(Movement.amount_cents.desc(), Movement.posted_at, Movement.task_id)
        .limit(1)
        .lateral()
    )
    return (
        select(best.c.task_id, best.c.amount_cents, best.c.business_day, best.c.posted_at, Task.title, Task.jira_id)
        .select_from(series)
        .join(best, true())
        .join(Task, Task.task_id == best.c.task_id, isouter=True)
    )


def _negative_by_day(session: Session, wanted: Iterable[date]) -> dict[date, int]:
    """How many accounts were below zero at the end of each of these days, which are in order."""
    changes = session.execute(
        select(MovementDay.day, MovementDay.negative_change)
        .where(MovementDay.negative_change != 0)
        .order_by(MovementDay.day)
    ).all()
    found, running, number = {}, 0, 0
    for day in wanted:
        while number < len(changes) and changes[number].day <= day:
            running += changes[number].negative_change
            number += 1
        found[day] = running
    return found


def _figures(session: Session, at_rest_since: datetime) -> list[DayFigures]:
    announced = {row.day: row for row in session.scalars(select(IncomeDay))}
    closed = {row.day: row for row in session.scalars(select(ClosedDay))}
    moved = {row.day: row for row in session.scalars(select(MovementDay))}
    every_day = sorted({*announced, *closed, *moved})
    negative = _negative_by_day(session, every_day)
    return [
        DayFigures(
            day=day,
            closed=_money(closed[day]) if day in closed else None,
            announced=_money(announced.get(day)),
            moved=_money(moved.get(day)),
            negative_closed=closed[day].negative_accounts if day in closed else None,
            negative_moved=negative[day],
        )
        for day in every_day
        if day in closed or _at_rest(announced.get(day), moved.get(day), at_rest_since)
    ]


def _money(row: IncomeDay | ClosedDay | MovementDay | None) -> Money:
    if row is None:
        return Money()
    income = row.fees_cents - row.rewards_cents if isinstance(row, MovementDay) else row.income_cents
    return Money(row.fees_cents, row.rewards_cents, income)


def _at_rest(announced: IncomeDay | None, moved: MovementDay | None, since: datetime) -> bool:
    moments = (announced.changed_at if announced else None, moved.moved_at if moved else None)
    return all(moment is None or moment < since for moment in moments)


def _account_differences(session: Session) -> list[Difference]:
    """Accounts whose movements do not add up to the balance that billing announced: a movement is missing here."""
    moved = (
        select(AccountDay.balance_cents)
        .where(AccountDay.account_id == Account.account_id)
        .order_by(AccountDay.day.desc())
        .limit(1)
        .correlate(Account)
        .scalar_subquery()
    )
    ours = func.coalesce(moved, 0)
    rows = session.execute(
        select(User.name, Account.balance_cents, ours.label("ours"))
        .select_from(Account)
        .join(User, User.user_id == Account.user_id, isouter=True)
        .where(Account.balance_cents != ours)
        .order_by(Account.account_id)
        .limit(_ACCOUNTS_LISTED)
    )
    return [Difference(None, BALANCE, row.balance_cents, row.ours, row.name) for row in rows]
