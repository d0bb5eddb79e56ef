"""Business days: which one a movement belongs to, and which ones are over."""

from collections.abc import Iterator
from datetime import date, timedelta

_DAY = timedelta(days=1)

#: More days than these are closed together only when a person names them. A robot that runs seldom misses so many,
#: but a clock that is years ahead makes a thousand due, and what is closed stays closed.
CLOSED_UNASKED = 3


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


def may_close(first: date, last: date, *, confirmed_from: date | None = None) -> bool:
    """Tell whether these days may be closed together.

    They are few, or a person has confirmed each of them: all from `confirmed_from` to the last.
    """
    few = (last - first).days < CLOSED_UNASKED
    return few or (confirmed_from is not None and confirmed_from <= first)
