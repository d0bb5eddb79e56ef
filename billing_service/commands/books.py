"""The books: who writes in them, and on which day's page.

One transaction at a time writes: every posting adds to the income of its day, so postings wait for each other anyway,
and with one lock, always taken first, nobody can deadlock. The day of a posting is decided under that lock, by the
database's clock, and days are closed under it, so nothing is ever posted into a day that closes meanwhile.
"""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from billing_service.domain import business_day
from billing_service.models import CLOSED, Day
from chassis.business_clock import BUSINESS_NOW, day_of
from chassis.db import business_timezone

#: Names the advisory lock of those who write in the books.
_BOOKS_LOCK = 7_301
_OPENED = "billing.books"


@dataclass(frozen=True)
class Books:
    """The books, open for this transaction."""

    #: The calendar's day.
    today: date
    #: The earliest day that is not closed.
    first_open_day: date
    #: The day to which movements made now belong.
    day: date
    #: When they were opened: the moment of all that this transaction does.
    now: datetime


def open_books(session: Session) -> Books:
    """Wait until nobody else writes, then say which day it is in the books. Asks the database once a transaction."""
    transaction = session.get_nested_transaction() or session.get_transaction()
    opened_in, books = session.info.get(_OPENED, (None, None))
    if books is not None and opened_in is transaction:
        opened: Books = books
        return opened
    session.execute(select(func.pg_advisory_xact_lock(_BOOKS_LOCK)))
    # A statement of its own: it has to see what was committed while the one above waited.
    now, last_closed, first_known, last_known = session.execute(
        select(BUSINESS_NOW, func.max(Day.day).filter(Day.status == CLOSED), func.min(Day.day), func.max(Day.day))
    ).one()
    today = day_of(now, business_timezone(session))
    first_open = business_day.first_open_day(last_closed, first_known, today)
    day = business_day.posting_day(today, first_open)
    if last_known is None or last_known < day:
        _begin_days(session, first_open if last_known is None else last_known, day)
    books = Books(today, first_open, day, now)
    session.info[_OPENED] = (session.get_nested_transaction() or session.get_transaction(), books)
    return books


def shut_books(session: Session) -> None:
    """Forget which day it is: the transaction has just closed one."""
    session.info.pop(_OPENED, None)


def _begin_days(session: Session, first: date, last: date) -> None:
    """Add the days that have begun since somebody wrote last: a day without any posting is closed as well."""
    session.execute(
        text(
            "INSERT INTO days (day) SELECT generate_series(CAST(:first AS date), CAST(:last AS date), '1 day')::date "
            "EXCEPT SELECT day FROM days ORDER BY 1"
        ),
        {"first": first, "last": last},
    )
