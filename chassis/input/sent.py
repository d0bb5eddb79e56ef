"""What a page was sent, read by the schemas of REST: a rule stands once."""

from collections.abc import Mapping
from typing import Any

from flask import request
from marshmallow import EXCLUDE, Schema, ValidationError

from chassis.errors import Invalid


def load_query(schema: type[Schema]) -> dict[str, Any]:
    """Return what the query string of the page says. An empty field of a form counts as not sent.

    Raises Invalid with what is wrong, by field.
    """
    return load_sent(schema, {name: value for name, value in request.args.items() if value})


def load_sent(schema: type[Schema], sent: Mapping[str, str]) -> dict[str, Any]:
    """Return what a query string or a form says. Raises Invalid with what is wrong, by field, and the first of it."""
    try:
        loaded: dict[str, Any] = schema(unknown=EXCLUDE).load(sent)
    except ValidationError as error:
        wrong = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise Invalid(next(iter(wrong.values()))[0], errors=wrong) from error
    return loaded
