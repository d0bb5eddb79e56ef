"""Everything that analytics refuses."""

from chassis.errors import N_, Invalid

#: Days in one answer, at most: a leap year.
LONGEST_RANGE = 366


class InvalidRange(Invalid):
    """A range of days runs backwards or is too long."""


class RangeRunsBackwards(InvalidRange):
    """The last day is before the first one."""

    def __init__(self) -> None:
        message = N_("The period ends before it begins.")
        super().__init__(message, errors={"to": [message]})


class RangeTooLong(InvalidRange):
    """More days than one answer holds."""

    def __init__(self) -> None:
        message = N_("The period is longer than 366 days.")
        super().__init__(message, errors={"from": [message]})
