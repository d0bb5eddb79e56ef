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
from billing_service.errors import DayNotFound
from billing_service.models import CLOSED, Day, RobotRun
from chassis.db import business_timezone
from chassis.paging import Order, Page, PageRequest, fetch_page

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


def current_day(session: Session, *, now: datetime) -> date:
    """Return the day to which movements made now belong: today, or tomorrow when today was closed early."""
    today = business_day.today(now, business_timezone(session))
    last_closed, first_known = session.execute(
        select(func.max(Day.day).filter(Day.status == CLOSED), func.min(Day.day))
    ).one()
    return business_day.posting_day(today, business_day.first_open_day(last_closed, first_known, today))


def last_closed_day(session: Session) -> date | None:
    """Return the latest day that is closed."""
    return session.scalar(select(func.max(Day.day)).where(Day.status == CLOSED))


def open_days_before(session: Session, wanted: date) -> Sequence[date]:
    """Return the days that would be closed along with this one, the earliest first."""
    return session.scalars(select(Day.day).where(Day.status != CLOSED, Day.day < wanted).order_by(Day.day)).all()


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
