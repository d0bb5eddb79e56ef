"""Everything that billing refuses."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from chassis.errors import N_ as N_
from chassis.errors import Conflict, Forbidden, Invalid, NotFound
from chassis.errors import KeyUsedOtherwise as KeyUsedOtherwise
from messaging import PermanentError


class AccountNotFound(NotFound):
    """Nobody with this id has an account."""

    def __init__(self) -> None:
        super().__init__(N_("There is no such account."))


class DayNotFound(NotFound):
    """The day is before the first business day or still to come."""

    def __init__(self) -> None:
        super().__init__(N_("There is no such business day in the books."))


class PayoutNotFound(NotFound):
    """No payout has this id."""

    def __init__(self) -> None:
        super().__init__(N_("There is no such payout."))


class NotYoursToSee(Forbidden):
    """Everyone sees their own money."""

    def __init__(self) -> None:
        super().__init__(N_("Only accountants and administrators see other parrots' money."))


class FutureDay(Invalid):
    """A day that has not begun cannot be closed."""

    def __init__(self) -> None:
        message = N_("This day has not begun yet: it cannot be closed.")
        super().__init__(message, errors={"day": [message]})


class TooManyDays(Conflict):
    """So many days are closed together only when a person has confirmed each of them."""

    def __init__(self, first: date, last: date) -> None:
        """Take the first and the last of the days that would be closed."""
        self.first, self.last = first, last
        self.number = (last - first).days + 1
        super().__init__(
            N_("%(number)s days would be closed at once, %(first)s – %(last)s: confirm them, or put the clock right."),
            number=self.number,
            first=first,
            last=last,
        )


class BadPeriod(Invalid):
    """A period is read from its first day to its last, and is a month long at most."""

    def __init__(self, message: str) -> None:
        """Take what is wrong with it."""
        super().__init__(message, errors={"to": [message]})


class InvalidPricingRules(Invalid):
    """A range is upside down, or a price is none."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        """Take what is wrong, by field."""
        super().__init__(N_("Prices cannot be drawn by these rules."), errors=errors)


class InvalidCorrection(Invalid):
    """A correction moves money and says why."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        """Take what is wrong, by field."""
        super().__init__(N_("The correction cannot be posted like this."), errors=errors)


class PostedOtherwise(PermanentError):
    """An event asks for a movement that was posted before, but to somebody else or with another amount.

    A fee is charged once for each assignment, a reward is paid once for each task.
    """

    def __init__(self, what: str, *, posted: tuple[UUID, int], asked: tuple[UUID, int]) -> None:
        """Take what it is, and for whom and how many cents: as it was posted, and as it is asked for now."""
        before, now = (f"{cents} cents for {user_id}" for user_id, cents in (posted, asked))
        super().__init__(f"the {what} was posted before, {before}: it cannot be {now}")
