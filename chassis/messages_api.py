"""REST under /api/v1/messages, the same in every service: how far the outbox is, and what could not be handled."""

from typing import Any

import flask_smorest
from marshmallow import Schema, fields

from chassis.identity import require_roles
from chassis.paging import Page, PageArgs, PageRequest, decode_cursor, encode_cursor, page_schema
from chassis.people import Role
from chassis.runtime import runtime
from messaging import DeadLetterView, OutboxStatus, list_dead_letters, outbox_status

messages = flask_smorest.Blueprint(
    "messages", __name__, url_prefix="/api/v1/messages", description="Events on their way, and those that died"
)


class OutboxSchema(Schema):
    """How far the relay is behind."""

    pending = fields.Integer(metadata={"description": "Events that the broker has not confirmed yet"})
    oldest_pending_seconds = fields.Float(allow_none=True)
    published_total = fields.Integer()


class DeadLetterSchema(Schema):
    """An event that this service could not handle."""

    id = fields.UUID()
    event = fields.Raw(metadata={"description": "The envelope; a text if it is no JSON"})
    type = fields.String()
    reason = fields.String(metadata={"description": "Short, for grouping"})
    detail = fields.String(metadata={"description": "What is wrong, for a person"})
    attempts = fields.Integer()
    died_at = fields.AwareDateTime()


class DeadLetterArgs(PageArgs):
    """Which dead letters are wanted."""

    type = fields.String(load_default=None)
    reason = fields.String(load_default=None)


@messages.get("/outbox")
@messages.response(200, OutboxSchema)
@require_roles(Role.ADMIN)
def get_outbox() -> OutboxStatus:
    """How many events are pending, and since when"""
    with runtime().database.reading() as session:
        return outbox_status(session)


@messages.get("/dead-letters")
@messages.arguments(DeadLetterArgs, location="query")
@messages.response(200, page_schema(DeadLetterSchema))
@require_roles(Role.ADMIN)
def get_dead_letters(args: dict[str, Any]) -> Page[DeadLetterView]:
    """The dead letters, oldest first"""
    page: PageRequest = args.pop("page")
    after = decode_cursor(page.cursor, int)[0] if page.cursor else 0
    with runtime().database.reading() as session:
        found = list_dead_letters(session, limit=page.limit + 1, after=after, **args)
    shown = found[: page.limit]
    return Page(shown, encode_cursor(shown[-1].position) if len(found) > page.limit else None)
