"""A request that creates something, sent twice with the same Idempotency-Key, creates it once and is answered alike.

The rules are those of https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/. What is kept of a
request stands in `chassis.request_keys`, which every process may import.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, current_app, request
from marshmallow import Schema, ValidationError, fields

from chassis.errors import N_
from chassis.identity import current_principal
from chassis.input.bodies import Blueprint
from chassis.request_keys import Answer, RequestKeyTable, once
from chassis.runtime import runtime

_LONGEST = 255


class _Key(fields.String):
    """A key, in quotation marks as the draft has it (RFC 8941, 3.3.3) or without; they are no part of it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        key = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
        if not 1 <= len(key) <= _LONGEST:
            raise ValidationError(N_("A key has 1 to 255 characters."))
        return key


class KeySchema(Schema):
    """The header `Idempotency-Key`."""

    key = _Key(
        data_key="Idempotency-Key",
        load_default=None,
        metadata={
            "description": "Any text of the client's choice. The same request with the same key is done once and "
            "answered alike for 24 hours; another request with it is refused with 422"
        },
    )


def creates(
    blueprint: Blueprint, table: type[RequestKeyTable], schema: type[Schema], *, status: int = 201
) -> Callable[[Callable[..., tuple[Any, str]]], Callable[..., Response]]:
    """Let a view create something once for each Idempotency-Key; stands below `arguments`.

    The view is called in a transaction, with its session before the other arguments. It returns what it has created,
    which is answered as the schema dumps it, and where that is found.
    """

    def decorate(view: Callable[..., tuple[Any, str]]) -> Callable[..., Response]:
        @wraps(view)
        def answer_once(*given: Any, **path: object) -> Response:
            *sent, header = given

            def make() -> Answer:
                created, location = view(session, *sent, **path)
                return Answer(status, f"{current_app.json.dumps(schema().dump(created))}\n", location)

            with runtime().database.transaction() as session:
                answer = once(
                    session,
                    table,
                    user_id=current_principal().user_id,
                    key=header["key"],
                    what=[request.method, request.full_path, sent],
                    make=make,
                )
            headers = {} if answer.location is None else {"Location": answer.location}
            return Response(answer.body, answer.status, headers, mimetype="application/json")

        answered = blueprint.response(status, schema)(answer_once)
        keyed: Callable[..., Response] = blueprint.arguments(KeySchema, location="headers", unknown="exclude")(answered)
        return keyed

    return decorate
