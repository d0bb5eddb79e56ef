"""Days as they are sent. Pure, so that the rules of every service can stand on it."""

import re
from datetime import date

#: A day outside of these is a slip of the pen, and leaves no room to count to the days around it.
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def is_possible(day: date) -> bool:
    """Tell whether it can be a business day."""
    return FIRST_DAY <= day <= LAST_DAY


def read_day(text: str) -> date:
    """Return the day of `2026-11-21`. Raises ValueError for anything else, and for what no business day can be."""
    if _DAY.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not of the form YYYY-MM-DD")
    day = date.fromisoformat(text)
    if not is_possible(day):
        raise ValueError(f"{day} is not between {FIRST_DAY} and {LAST_DAY}")
    return day
