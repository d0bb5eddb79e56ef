"""The clock of the business: the database's, whatever the clock of the host says.

Every database whose service knows business days has the function `business_now()`, made by `create_business_now`.
"""

from datetime import date, datetime, timedelta
from types import ModuleType
from zoneinfo import ZoneInfo

from sqlalchemy import DateTime, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from chassis.db import business_timezone

#: The present moment as a part of a statement, the same throughout it.
BUSINESS_NOW = func.business_now(type_=DateTime(timezone=True))


def business_now(session: Session) -> datetime:
    """Return the present moment by the database's clock, in UTC."""
    return session.scalars(select(BUSINESS_NOW)).one()


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """Return the calendar's day at this moment in this zone."""
    return moment.astimezone(zone).date()


def calendar_day(session: Session) -> date:
    """Return the calendar's day in the business time zone, by the database's clock."""
    return day_of(business_now(session), business_timezone(session))


def present_day(calendar_day: date, last_closed: date | None) -> date:
    """Return the business day that it is: the calendar's, or the one after a day that was closed early."""
    return calendar_day if last_closed is None else max(calendar_day, last_closed + timedelta(days=1))


def current_day(session: Session, closed_day: InstrumentedAttribute[date]) -> date:
    """Return the business day that it is, as far as billing has told.

    `closed_day` is the column of the service's own table of the days that billing has closed.
    """
    now, last_closed = session.execute(select(BUSINESS_NOW, select(func.max(closed_day)).scalar_subquery())).one()
    return present_day(day_of(now, business_timezone(session)), last_closed)


def create_business_now(op: ModuleType) -> None:
    """Create `business_now()`, in a migration; `op` is alembic's."""
    op.execute(
        "CREATE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE "
        "AS 'SELECT statement_timestamp()'"
    )
