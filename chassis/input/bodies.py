"""What comes in by REST: JSON in the body of a request, and its query string."""

import json
from typing import Any

import flask_smorest
from flask import Request
from marshmallow import RAISE, Schema
from webargs.core import is_json, missing
from webargs.flaskparser import FlaskParser
from webargs.multidictproxy import MultiDictProxy
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import UnsupportedMediaType

from chassis.errors import N_, Invalid
from messaging.strict_json import read_json


class BeyondLimits(Invalid):
    """It is JSON, but no program keeps it."""

    def __init__(self) -> None:
        message = N_("This JSON is nested too deeply, or has numbers or characters that cannot be kept.")
        super().__init__(message, errors={"_schema": [message]})


def load_json(body: bytes) -> Any:
    """Return what the JSON says. Raises json.JSONDecodeError or UnicodeDecodeError for none, or BeyondLimits."""
    try:
        return read_json(body)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError as error:
        raise BeyondLimits from error


class _Parser(FlaskParser):
    """webargs' parser, which on its own breaks of some JSON.

    A filter that is not known is refused, with its name: whoever misspelled it would take all for what they asked for.
    """

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012 (so webargs has it)
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": RAISE,
    }

    def load_querystring(self, req: Request, schema: Schema) -> MultiDictProxy:
        """Return the query string without the language, which every address may name: see chassis.i18n."""
        named = MultiDict((name, value) for name, value in req.args.items(multi=True) if name != "lang")
        return MultiDictProxy(named, schema)

    def _raw_load_json(self, req: Request) -> Any:
        body = req.get_data(cache=True)
        if not body:
            return missing
        if not is_json(req.mimetype):
            raise UnsupportedMediaType  # it would go unread, and a selection that is not read is one of all there are
        return load_json(body)


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """flask-smorest's blueprint: 400 for a body that is no JSON, 422 for BeyondLimits and for an unknown filter.

    What does not call itself JSON is answered with 415.
    """

    ARGUMENTS_PARSER = _Parser()
