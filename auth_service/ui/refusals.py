"""Why a form comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Response

from chassis.errors import ServiceError
from chassis.i18n import translate


@dataclass(frozen=True)
class Refusal:
    """What a page shows above a form, and beside its fields."""

    title: str = ""
    detail: str = ""
    errors: Mapping[str, Sequence[str]] | None = None


def refusal_of(error: ServiceError) -> Refusal:
    """Put an error into the language of the request."""
    errors = {field: [translate(text) for text in texts] for field, texts in (error.errors or {}).items()}
    return Refusal(translate(error.title), translate(error.message, error.parts), errors)


def refused(page: str, error: ServiceError) -> Response:
    """Return the page with the error's status, and with the time after which another try is worth it."""
    response = Response(page, error.status)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response
