"""Business days: the management's income, and the report of a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from operator import add
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from billing_service.domain import business_day
from billing_service.domain.closing import Movements
from billing_service.domain.closing import income as income_cents
from billing_service.errors import N_, BadPeriod, DayNotFound
from billing_service.models import CLOSED, Day, RobotRun
from chassis.business_clock import calendar_day
from chassis.paging import Page, PageRequest, fetch_page

#: The longest period of income that is shown, in days.
MONTH = 31

#: Every account that was there on the day. What it had in the end is what it has now without what came later.
_REPORT = text(
    """
    SELECT account.user_id, person.name,
           (account.balance_cents - coalesce(moved.since, 0))::bigint AS opening_cents,
           coalesce(moved.fees, 0)::bigint AS fees_cents,
           coalesce(moved.rewards, 0)::bigint AS rewards_cents,
           coalesce(moved.corrections, 0)::bigint AS corrections_cents,
           coalesce(moved.payouts, 0)::bigint AS payout_cents
    FROM accounts account
    LEFT JOIN users person ON person.user_id = account.user_id
    LEFT JOIN (
        SELECT entry.account_id, sum(entry.amount_cents) AS since,
               -sum(entry.amount_cents) FILTER (WHERE entry.business_day = :day AND kind = 'fee') AS fees,
               sum(entry.amount_cents) FILTER (WHERE entry.business_day = :day AND kind = 'reward') AS rewards,
               sum(entry.amount_cents) FILTER (WHERE entry.business_day = :day AND kind = 'correction') AS corrections,
               -sum(entry.amount_cents) FILTER (WHERE entry.business_day = :day AND kind = 'payout') AS payouts
        FROM ledger_entries entry JOIN ledger_transactions movement ON movement.id = entry.transaction_id
        WHERE entry.business_day >= :day GROUP BY entry.account_id
    ) moved ON moved.account_id = account.id
    WHERE account.kind = 'employee' AND account.opened_on <= :day
    ORDER BY person.name, account.user_id
    """
)


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


@dataclass(frozen=True)
class ReportLine:
    """What the day did to one account."""

    user_id: UUID
    name: str | None
    movements: Movements


@dataclass(frozen=True)
class DayReport:
    """The financial report of a day; final once the day is closed."""

    day: date
    status: str
    closed_at: datetime | None
    lines: Sequence[ReportLine]
    totals: Movements


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
    return fetch_page(session, select(Day), Day.day, page=page, descending=True)


def income(session: Session, first: date, last: date) -> list[IncomeOfDay]:
    """Return the management's income of every day of the period, those without any included. Raises BadPeriod."""
    if last < first:
        raise BadPeriod(N_("The period ends before it begins."))
    if (last - first).days >= MONTH:
        raise BadPeriod(N_("The period is longer than 31 days."))
    rows = session.scalars(select(Day).where(Day.day.between(first, last)))
    known = {row.day: IncomeOfDay(row.day, row.fees_cents, row.rewards_cents) for row in rows}
    return [known.get(wanted, IncomeOfDay(wanted)) for wanted in business_day.days(first, last)]


def income_of(session: Session, wanted: date) -> IncomeOfDay:
    """Return the management's income of one day."""
    return income(session, wanted, wanted)[0]


def day_report(session: Session, wanted: date) -> DayReport:
    """Return everyone's opening balance, movements and closing balance of a day. Raises DayNotFound."""
    found = day(session, wanted)
    lines = [
        ReportLine(
            row.user_id,
            row.name,
            Movements(
                opening_cents=row.opening_cents,
                fees_cents=row.fees_cents,
                rewards_cents=row.rewards_cents,
                corrections_cents=row.corrections_cents,
                payout_cents=row.payout_cents,
            ),
        )
        for row in session.execute(_REPORT, {"day": wanted})
    ]
    totals = reduce(add, (line.movements for line in lines), Movements())
    return DayReport(found.day, found.status, found.closed_at, lines, totals)


def robot_run(session: Session) -> RobotRun | None:
    """Return the latest run of the robot; None if it never ran."""
    return session.get(RobotRun, 1)


def _first_open_day(session: Session, today: date) -> date:
    last_closed, first_known = session.execute(
        select(func.max(Day.day).filter(Day.status == CLOSED), func.min(Day.day))
    ).one()
    return business_day.first_open_day(last_closed, first_known, today)
