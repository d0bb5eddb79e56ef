"""The errors that a service may answer with: one tree, mapped to problem+json or a page by `chassis.web`.

A service derives its own from these and raises them in commands and queries, where there is no request.
Texts are English there and are translated when shown, so a text has its changing parts as `%(name)s`.
"""

import re
from collections.abc import Mapping, Sequence


def N_(text: str) -> str:
    """Mark a text for translation without translating it yet."""
    return text


class ServiceError(Exception):
    """A request that cannot be served, for a reason that the person who made it can understand.

    `NotFound(N_("There is no task %(id)s."), id=task_id)`: the text, then its changing parts.
    """

    #: The HTTP status.
    status = 400
    #: The same for every error of the class; `detail` tells what happened this time.
    title = N_("The request cannot be served")
    #: Seconds after which the same request may succeed, where that is known.
    retry_after: int | None = None

    def __init__(
        self,
        message: str = "",
        *,
        errors: Mapping[str, Sequence[str]] | None = None,
        extensions: Mapping[str, object] | None = None,
        **parts: object,
    ) -> None:
        """Take the English text, its changing parts, and for fields what is wrong with each.

        `extensions` are members of the problem beside the usual ones, for programs (RFC 9457, section 3.2).
        """
        super().__init__(message)
        self.message = message
        self.parts = parts
        self.extensions = dict(extensions or {})
        self.errors = {field: list(texts) for field, texts in errors.items()} if errors else None

    @property
    def kind(self) -> str:
        """The name of the class as programs see it: `not-found`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", type(self).__name__).lower()

    @property
    def detail(self) -> str:
        """The text in English, with its parts filled in."""
        return self.message % self.parts if self.parts else self.message

    def __str__(self) -> str:
        return self.detail or self.title


class Unauthorized(ServiceError):
    """Nobody is signed in, or the token is not valid (any more)."""

    status = 401
    title = N_("Sign in first")


class Forbidden(ServiceError):
    """Who is signed in may not do this."""

    status = 403
    title = N_("You may not do this")


class NotFound(ServiceError):
    """There is no such thing, or it is not to be seen by who asks."""

    status = 404
    title = N_("Not found")


class Conflict(ServiceError):
    """The request is fine, but the thing is not in a state for it."""

    status = 409
    title = N_("Not possible at the moment")


class PreconditionFailed(ServiceError):
    """The request has a condition such as If-Match, and it does not hold."""

    status = 412
    title = N_("Changed meanwhile")


class Invalid(ServiceError):
    """What was sent breaks a rule. `errors` says which field and why."""

    status = 422
    title = N_("Something in the request is not right")


class KeyUsedOtherwise(Invalid):
    """An Idempotency-Key stands for one request; another one needs another key."""

    def __init__(self) -> None:
        message = N_("This Idempotency-Key was used for another request.")
        super().__init__(message, errors={"Idempotency-Key": [message]})


class TooManyRequests(ServiceError):
    """The client asks more often than it may. `retry_after` says when it may again."""

    status = 429
    title = N_("Too many requests")


class Unavailable(ServiceError):
    """Something that the answer depends on is away at the moment; the same request may succeed soon."""

    status = 503
    title = N_("Not available at the moment")
    retry_after = 5


class Busy(Unavailable):
    """Somebody else is changing the same thing, and takes longer than anybody waits."""

    title = N_("Busy at the moment")


class TakesTooLong(Unavailable):
    """The database was asked for more than it finds out in the time that a request has."""

    title = N_("This takes too long")
