"""Everything that billing refuses."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from chassis.errors import N_ as N_
from chassis.errors import Forbidden, Invalid, NotFound
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
        super().__init__(N_("Only accountants and administrators see the money of others."))


class PostedOtherwise(PermanentError):
    """Something else is in the books under the key of this movement: each of the business is posted once."""

    def __init__(self, kind: str, task_id: UUID | None, assignment_no: int | None, user_id: UUID) -> None:
        """Take the key, and whom it was posted to."""
        key = f"task {task_id}" if assignment_no is None else f"assignment {assignment_no} of task {task_id}"
        super().__init__(f"the {kind} for {key} is in the books of {user_id}, with another content")


class FutureDay(Invalid):
    """A day that has not begun cannot be closed."""

    def __init__(self) -> None:
        message = N_("This day has not begun yet: it cannot be closed.")
        super().__init__(message, errors={"day": [message]})


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


class KeyUsedOtherwise(Invalid):
    """An Idempotency-Key stands for one request; another one needs another key."""

    def __init__(self) -> None:
        message = N_("This Idempotency-Key was used for another request.")
        super().__init__(message, errors={"Idempotency-Key": [message]})
