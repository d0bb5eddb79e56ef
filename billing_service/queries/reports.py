"""The financial report of a day: kept statements once it is closed, and until then what follows from the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Subquery, cast, func, select
from sqlalchemy.orm import Session

from billing_service.commands.statements import statements_so_far
from billing_service.domain.closing import Movements
from billing_service.models import CLOSED, Account, Day, Statement, User
from billing_service.queries.days import day
from chassis.paging import Order, Page, PageRequest, fetch_page

#: A report that is asked for as a whole has the first of its lines, up to this number.
LINES = 1_000

_AMOUNTS = ("opening_cents", "fees_cents", "rewards_cents", "corrections_cents", "payout_cents")


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
    #: In the order in which accounts were opened; the totals are those of all lines.
    lines: Sequence[ReportLine]
    totals: Movements
    next_cursor: str | None
    prev_cursor: str | None


@dataclass(frozen=True)
class Due:
    """What would be paid out if a day were closed now."""

    people: int
    cents: int


def day_report(session: Session, wanted: date, *, page: PageRequest) -> DayReport:
    """Return a page of everyone's opening balance, movements and closing balance of a day, and the totals.

    Raises DayNotFound.
    """
    found = day(session, wanted)
    lines = _lines(found)
    shown = _page(session, lines, page)
    return DayReport(
        day=found.day,
        status=found.status,
        closed_at=found.closed_at,
        lines=shown.items,
        totals=_totals(session, lines),
        next_cursor=shown.next_cursor,
        prev_cursor=shown.prev_cursor,
    )


def statements(session: Session, wanted: date, *, page: PageRequest) -> Page[ReportLine]:
    """Return a page of the lines of a day's report, in the order in which accounts were opened. Raises DayNotFound."""
    return _page(session, _lines(day(session, wanted)), page)


def due_payouts(session: Session, wanted: date) -> Due:
    """Return what the close of this open day would pay out: the positive balances. Raises DayNotFound."""
    line = _lines(day(session, wanted)).c
    balance = line.opening_cents + line.rewards_cents - line.fees_cents + line.corrections_cents - line.payout_cents
    positive = select(func.count(), cast(func.coalesce(func.sum(balance), 0), BigInteger)).where(balance > 0)
    return Due(*session.execute(positive).one())


def _lines(wanted: Day) -> Subquery:
    if wanted.status == CLOSED:
        return select(Statement).where(Statement.day == wanted.day).subquery("line")
    return statements_so_far(wanted.day).subquery("line")


def _page(session: Session, lines: Subquery, page: PageRequest) -> Page[ReportLine]:
    wanted = (
        select(Account.user_id, User.name, *(lines.c[name] for name in _AMOUNTS))
        .join_from(lines, Account, Account.id == lines.c.account_id)
        .outerjoin(User, User.user_id == Account.user_id)
    )
    return fetch_page(session, wanted, Order((Account.opened_on, Account.id)), page).map(lambda row: _line(*row))


def _line(user_id: UUID, name: str | None, *amounts: int) -> ReportLine:
    return ReportLine(user_id, name, _movements(amounts))


def _totals(session: Session, lines: Subquery) -> Movements:
    sums = (cast(func.coalesce(func.sum(lines.c[name]), 0), BigInteger) for name in _AMOUNTS)
    return _movements(session.execute(select(*sums)).one())


def _movements(amounts: Sequence[Any]) -> Movements:
    return Movements(**dict(zip(_AMOUNTS, amounts, strict=True)))
