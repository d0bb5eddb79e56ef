"""Business days: which one a movement belongs to, and which ones are over."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


def today(now: datetime, zone: ZoneInfo) -> date:
    """Return the date on the wall of the business."""
    return now.astimezone(zone).date()


def first_open_day(last_closed: date | None, first_known: date | None, today: date) -> date:
    """Return the earliest day that is not closed: days close in order, so it follows the last closed one."""
    if last_closed is not None:
        return last_closed + _DAY
    return today if first_known is None else first_known


def posting_day(today: date, first_open: date) -> date:
    """Return the day of a movement made now: today, unless today was closed early."""
    return max(today, first_open)


def days(first: date, last: date) -> Iterator[date]:
    """Yield every day from the first to the last, both included; none if the last is before the first."""
    day = first
    while day <= last:
        yield day
        day += _DAY


def last_day_over(today: date) -> date:
    """Return the latest day that has ended."""
    return today - _DAY
