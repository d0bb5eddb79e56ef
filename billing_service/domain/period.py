"""The days of which the management's income is shown."""

from datetime import date, timedelta

from billing_service.errors import N_, BadPeriod

#: The longest period, in days.
MONTH = 31
_REST_OF_MONTH = timedelta(days=MONTH - 1)


def period(first: date | None, last: date | None, *, today: date) -> tuple[date, date]:
    """Return the first and the last day of the period asked for, both included; without either, the last month.

    Where only the beginning is named, it ends a month later or today. Raises BadPeriod.
    """
    if last is None:
        last = today if first is None else max(first, min(first + _REST_OF_MONTH, today))
    if first is None:
        first = last - _REST_OF_MONTH
    if last < first:
        raise BadPeriod(N_("The period ends before it begins."))
    if last - first > _REST_OF_MONTH:
        raise BadPeriod(N_("The period is longer than 31 days."))
    return first, last
