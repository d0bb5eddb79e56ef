"""Business days: which one it is, and the management's income."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_service.domain import business_day
from billing_service.domain.closing import income as income_cents
from billing_service.errors import DayNotFound
from billing_service.models import CLOSED, Day, RobotRun
from chassis.business_clock import calendar_day
from chassis.paging import Order, Page, PageRequest, fetch_page


@dataclass(frozen=True)
class IncomeOfDay:
    """What the management earned on a day."""

    day: date
    fees_cents: int = 0
    rewards_cents: int = 0

    @property
    def income_cents(self) -> int:
        """Return fees minus rewards; payouts are no part of it."""
        return income_cents(self.fees_cents, self.rewards_cents)


def current_day(session: Session) -> date:
    """Return the day to which movements made now belong: today, or tomorrow when today was closed early."""
    today = calendar_day(session)
    return business_day.posting_day(today, _first_open_day(session, today))


def first_open_day(session: Session) -> date:
    """Return the earliest day that is not closed."""
    return _first_open_day(session, calendar_day(session))


def days_to_confirm(session: Session) -> tuple[date, date] | None:
    """Return the first and the last of the days that the robot closes only when a person has confirmed them."""
    today = calendar_day(session)
    first, last = _first_open_day(session, today), business_day.last_day_over(today)
    return None if business_day.may_close(first, last) else (first, last)


def last_closed_day(session: Session) -> date | None:
    """Return the latest day that is closed."""
    return session.scalar(select(func.max(Day.day)).where(Day.status == CLOSED))


def day(session: Session, wanted: date) -> Day:
    """Return a business day. Raises DayNotFound."""
    found = session.get(Day, wanted)
    if found is None:
        raise DayNotFound
    return found


def days(session: Session, *, page: PageRequest) -> Page[Day]:
    """Return all business days so far, the latest first."""
    return fetch_page(session, select(Day), Order((Day.day,), descending=True), page)


def income(session: Session, first: date, last: date) -> list[IncomeOfDay]:
    """Return the management's income of every day of the period, those without any included."""
    rows = session.scalars(select(Day).where(Day.day.between(first, last)))
    known = {row.day: IncomeOfDay(row.day, row.fees_cents, row.rewards_cents) for row in rows}
    return [known.get(wanted, IncomeOfDay(wanted)) for wanted in business_day.days(first, last)]


def income_of(session: Session, wanted: date) -> IncomeOfDay:
    """Return the management's income of one day."""
    return income(session, wanted, wanted)[0]


def robot_run(session: Session) -> RobotRun | None:
    """Return the latest run of the robot; None if it never ran."""
    return session.get(RobotRun, 1)


def _first_open_day(session: Session, today: date) -> date:
    last_closed, first_known = session.execute(
        select(func.max(Day.day).filter(Day.status == CLOSED), func.min(Day.day))
    ).one()
    return business_day.first_open_day(last_closed, first_known, today)
