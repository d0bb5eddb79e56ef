"""What all pages share: the blueprint, and reading what was sent."""

from collections.abc import Mapping, Sequence

from flask import Blueprint, request

from chassis.errors import ServiceError
from chassis.i18n import translate

pages = Blueprint(
    "tracker", __name__, template_folder="../templates", static_folder="../static", static_url_path="/static/tracker"
)


def translated_errors(error: ServiceError | None) -> Mapping[str, Sequence[str]]:
    """Return what is wrong with which field, in the language of the page."""
    found = (error.errors if error else None) or {}
    return {field: [translate(text) for text in texts] for field, texts in found.items()}


def form_field(name: str) -> str:
    """Return what was typed into a field, or nothing."""
    return request.form.get(name, "")


def form_key() -> str | None:
    """Return the form's own Idempotency-Key: who clicks twice creates one thing."""
    return request.form.get("key", "")[:255] or None
