"""REST under /api/v1/messages, the same in every service: how far the outbox is, and what could not be handled.

A decision about dead letters is written down and answered with 202: the consumer carries it out.
"""

from typing import Any
from uuid import UUID

from flask import request
from marshmallow import Schema, ValidationError, fields, validate

from chassis.dead_letter_counts import count_own
from chassis.dead_letters import (
    decide_about,
    decide_about_all,
    event_of_text,
    letter_story,
    page_of_letters,
    replay_with,
    retry_all,
)
from chassis.errors import N_
from chassis.identity import require_roles
from chassis.input.bodies import Blueprint
from chassis.input.fields import BIGGEST_NUMBER, Text
from chassis.lists import lists
from chassis.paging import Page, PageArgs
from chassis.people import Role
from chassis.runtime import runtime
from messaging import OutboxStatus, outbox_status
from messaging.dead_letters import (
    STATE_FILTERS,
    DeadLetterGroup,
    DeadLetterView,
    Decision,
    FieldIs,
    Outcome,
    Selection,
    State,
    dead_letter_groups,
)

messages = Blueprint(
    "messages", __name__, url_prefix="/api/v1/messages", description="Events on their way, and those that died"
)

_FIELD = "`field=value`: events in which the field has this value, such as `data.task_id=7f0c...`"


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
    deaths = fields.Integer(metadata={"description": "How often it died: more than once if a replay failed"})
    died_at = fields.AwareDateTime()
    state = fields.Enum(State, by_value=True)


class HistorySchema(Schema):
    """Something that happened to a dead letter."""

    at = fields.AwareDateTime()
    action = fields.String()
    actor_id = fields.UUID(allow_none=True)
    actor_name = fields.String(allow_none=True, metadata={"description": "null for what happened by itself"})
    detail = fields.String()


class DeadLetterStorySchema(DeadLetterSchema):
    """A dead letter with all that is known of it."""

    content_type = fields.String()
    headers = fields.Dict(metadata={"description": "Of the message"})
    properties = fields.Dict()
    size = fields.Integer(metadata={"description": "Of the body, in bytes"})
    text = fields.String(metadata={"description": "The body as a person reads it"})
    replacement = fields.String(allow_none=True, metadata={"description": "The edited event, sent in its place"})
    outcome = fields.Enum(
        Outcome, by_value=True, allow_none=True, metadata={"description": "Of the latest replay; null without one"}
    )
    waiting_behind = fields.Integer(metadata={"description": "Later events of its aggregate that wait behind it"})
    behind = fields.UUID(allow_none=True, metadata={"description": "The event for which it waits; null if it does not"})
    due_at = fields.AwareDateTime(allow_none=True, metadata={"description": "When it is tried next"})
    history = fields.List(fields.Nested(HistorySchema))


class DeadLetterGroupSchema(Schema):
    """The open dead letters of one type and reason."""

    type = fields.String()
    reason = fields.String()
    count = fields.Integer()
    undecided = fields.Integer(metadata={"description": "Those that nobody has decided about yet"})
    oldest_died_at = fields.AwareDateTime()
    newest_died_at = fields.AwareDateTime()


class DeadLetterGroupsSchema(Schema):
    """All groups, the largest first."""

    items = fields.List(fields.Nested(DeadLetterGroupSchema))


class DeadLetterCountSchema(Schema):
    """How many dead letters a service has."""

    open = fields.Integer(metadata={"description": "Those that nobody has replayed or discarded yet"})


class EventField(fields.String):
    """A field of an event and its value, `data.task_id=...`."""

    def _deserialize(self, value: Any, *_context: Any, **_options: Any) -> Any:
        try:
            return FieldIs.parse(Text().deserialize(value))
        except ValueError as error:
            raise ValidationError(N_("Write it as field=value, such as data.task_id=...")) from error


class DeadLetterArgs(PageArgs):
    """Which dead letters are wanted."""

    type = Text(load_default=None)
    reason = Text(load_default=None)
    field = EventField(load_default=None, metadata={"description": _FIELD})
    state = fields.String(
        load_default="open",
        validate=validate.OneOf([*STATE_FILTERS]),
        metadata={
            "description": "`open`: those that nobody has discarded and that were not replayed with success. "
            "`waiting` and `blocked` are not dead: they wait for their next attempt, or behind another event."
        },
    )


class SelectionSchema(Schema):
    """Which dead letters a decision is about; without any of these, all."""

    type = Text(load_default=None)
    reason = Text(load_default=None)
    field = EventField(load_default=None, metadata={"description": _FIELD})


class SelectionOnPage(SelectionSchema):
    """What a page adds: nothing that died after it was shown."""

    up_to_position = fields.Integer(load_default=None, data_key="up_to", validate=validate.Range(0, BIGGEST_NUMBER))


class RetriedSchema(Schema):
    """How much is tried at once."""

    requested = fields.Integer()


class DecidedSchema(Schema):
    """A decision, which the consumer carries out."""

    id = fields.UUID()
    state = fields.Enum(State, by_value=True)
    event_id = fields.UUID(metadata={"description": "Of the new event, if it was edited"})


class DecidedAllSchema(Schema):
    """How many letters a decision is about."""

    requested = fields.Integer()
    state = fields.Enum(State, by_value=True)


@messages.get("/outbox")
@messages.response(200, OutboxSchema)
@require_roles(Role.ADMIN)
def get_outbox() -> OutboxStatus:
    """How many events are pending, and since when"""
    with runtime().database.reading() as session:
        return outbox_status(session)


@messages.get("/dead-letters")
@messages.arguments(DeadLetterArgs, location="query")
@lists(messages, DeadLetterSchema)
@require_roles(Role.ADMIN)
def get_dead_letters(args: dict[str, Any]) -> Page[DeadLetterView]:
    """The dead letters, in the order they died"""
    wanted = Selection(args["type"], args["reason"], field=args["field"])
    return page_of_letters(args["page"], wanted, args["state"])


@messages.get("/dead-letters/count")
@messages.doc(security=[])
@messages.response(200, DeadLetterCountSchema)
def get_count() -> dict[str, int]:
    """How many dead letters are open; without a token, since the other services ask for it"""
    return {"open": count_own(runtime().database)}


@messages.get("/dead-letters/groups")
@messages.response(200, DeadLetterGroupsSchema)
@require_roles(Role.ADMIN)
def get_groups() -> dict[str, list[DeadLetterGroup]]:
    """The open dead letters by type and reason"""
    with runtime().database.reading() as session:
        return {"items": dead_letter_groups(session)}


@messages.get("/dead-letters/<uuid:letter_id>")
@messages.response(200, DeadLetterStorySchema)
@messages.alt_response(404, description="No dead letter has this id")
@require_roles(Role.ADMIN)
def get_dead_letter(letter_id: UUID) -> dict[str, Any]:
    """One dead letter with headers, body and history"""
    story = letter_story(letter_id)
    return {**vars(story.letter), **vars(story)}


@messages.post("/dead-letters/<uuid:letter_id>/replay")
@messages.doc(
    requestBody={
        "description": "The edited event, or those of its attributes that are to change. It becomes a new event, "
        "caused by the dead one. Without a body the letter is replayed as it is.",
        "required": False,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
)
@messages.response(202, DecidedSchema)
@messages.alt_response(404, description="No dead letter has this id")
@messages.alt_response(409, description="Somebody has decided about it before")
@messages.alt_response(422, description="The edited event is none, or does not fit its schema")
@require_roles(Role.ADMIN)
def replay_letter(letter_id: UUID) -> dict[str, Any]:
    """Have a dead letter handled once more"""
    changes = event_of_text(request.get_data()) if request.get_data() else None
    answer = {"id": letter_id, "state": State.REPLAY_REQUESTED}
    if not changes:
        decide_about(letter_id, Decision.REPLAY)
        return answer
    return answer | {"event_id": replay_with(letter_id, changes)}


@messages.post("/dead-letters/<uuid:letter_id>/discard")
@messages.response(202, DecidedSchema)
@messages.alt_response(404, description="No dead letter has this id")
@messages.alt_response(409, description="Somebody has decided about it before")
@require_roles(Role.ADMIN)
def discard_letter(letter_id: UUID) -> dict[str, Any]:
    """Give a dead letter up; it stays on record"""
    decide_about(letter_id, Decision.DISCARD)
    return {"id": letter_id, "state": State.DISCARDED}


@messages.post("/dead-letters/replay")
@messages.arguments(SelectionSchema)
@messages.response(202, DecidedAllSchema)
@require_roles(Role.ADMIN)
def replay_group(selection: dict[str, Any]) -> dict[str, Any]:
    """Have all dead letters of a type or a reason, or all there are, handled once more"""
    return _decide_about_all(selection, Decision.REPLAY)


@messages.post("/dead-letters/discard")
@messages.arguments(SelectionSchema)
@messages.response(202, DecidedAllSchema)
@require_roles(Role.ADMIN)
def discard_group(selection: dict[str, Any]) -> dict[str, Any]:
    """Give up all dead letters of a type or a reason, or all there are; they stay on record"""
    return _decide_about_all(selection, Decision.DISCARD)


@messages.post("/dead-letters/retry")
@messages.response(202, RetriedSchema)
@require_roles(Role.ADMIN)
def retry() -> dict[str, int]:
    """Try everything at once that waits for its next attempt"""
    return {"requested": retry_all()}


def _decide_about_all(selection: dict[str, Any], decision: Decision) -> dict[str, Any]:
    return {"requested": decide_about_all(Selection(**selection), decision), "state": State(decision.value)}
