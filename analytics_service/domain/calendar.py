"""Business days, ISO weeks and months."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from analytics_service.errors import LONGEST_RANGE, RangeRunsBackwards, RangeTooLong

_DAY = timedelta(days=1)
_USUAL = timedelta(days=29)


class Period(StrEnum):
    """What a top task is the top of."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Span:
    """Days in a row, both ends included."""

    first: date
    last: date

    def days(self) -> Iterator[date]:
        """Every day, in order."""
        return (self.first + _DAY * number for number in range((self.last - self.first).days + 1))


def span(first: date | None, last: date | None, *, today: date) -> Span:
    """The range that somebody asked for; without an end until today, without a beginning the last thirty days.

    Raises RangeRunsBackwards, RangeTooLong.
    """
    last = last or max(today, first or today)
    first = first or last - _USUAL
    if last < first:
        raise RangeRunsBackwards
    if (last - first).days >= LONGEST_RANGE:
        raise RangeTooLong
    return Span(first, last)


def period_of(day: date, period: Period) -> Span:
    """The whole day, ISO week (from Monday to Sunday) or month that the day lies in."""
    if period is Period.WEEK:
        monday = day - _DAY * day.weekday()
        return Span(monday, monday + 6 * _DAY)
    if period is Period.MONTH:
        first = day.replace(day=1)
        return Span(first, (first + 31 * _DAY).replace(day=1) - _DAY)
    return Span(day, day)


def periods_in(wanted: Span, period: Period) -> list[Span]:
    """Every period with a day in the range, whole ones, in order."""
    found = [period_of(wanted.first, period)]
    while found[-1].last < wanted.last:
        found.append(period_of(found[-1].last + _DAY, period))
    return found
