"""The clock of the business: the database's, whatever the clock of the host says.

Every database whose service knows business days has the function `business_now()`, made by `create_business_now`.
"""

from datetime import date, datetime
from types import ModuleType
from zoneinfo import ZoneInfo

from sqlalchemy import DateTime, func, select
from sqlalchemy.orm import Session

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


def create_business_now(op: ModuleType) -> None:
    """Create `business_now()`, in a migration; `op` is alembic's."""
    op.execute(
        "CREATE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE "
        "AS 'SELECT statement_timestamp()'"
    )
