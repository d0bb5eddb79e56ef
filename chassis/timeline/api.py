"""REST under /api/v1/trace, the same in every service: what its own database knows of a thread of causes.

Whoever wants the whole asks all services twice: first for the events that each has made, then, with `event_ids`, which
of them each has handled. So do the page of auth and `./ates trace`.
"""

from typing import Any
from uuid import UUID

from marshmallow import EXCLUDE, Schema, fields, post_load, validate
from webargs.fields import DelimitedList

from chassis.identity import require_roles
from chassis.input.bodies import Blueprint
from chassis.input.fields import Text
from chassis.people import Role
from chassis.runtime import runtime
from chassis.timeline.steps import MAX_EVENTS, KnownSteps, Step, What, known_steps
from messaging.trail import Thread, threads_of

trace = Blueprint("trace", __name__, url_prefix="/api/v1/trace", description="What a request or a job set off")

#: Where a service answers.
TRACE_PATH = "/api/v1/trace"
#: As many as fit into the head of a request: those that four services have made, and some causes.
MAX_IDS = 500
MAX_THREADS = 50


class _AnswerSchema(Schema):
    """Read as well as written; a service that is newer may say more."""

    class Meta:
        """Of marshmallow."""

        unknown = EXCLUDE


class StepSchema(_AnswerSchema):
    """Something that happened in a service."""

    at = fields.AwareDateTime(required=True)
    service = fields.String(required=True)
    what = fields.Enum(What, by_value=True, required=True)
    type = fields.String(allow_none=True, metadata={"description": "null where only its producer knows it"})
    id = fields.UUID(required=True, metadata={"description": "Of the event, the movement, or the payout of a letter"})
    took_ms = fields.Integer(
        allow_none=True,
        metadata={
            "description": "An event: until the broker had it. Handled: until the commit, with the others of its batch."
            " A letter: until it was sent"
        },
    )
    state = fields.String(allow_none=True)
    subject = fields.String(allow_none=True)
    cause_id = fields.UUID(allow_none=True, metadata={"description": "The event that caused it"})
    amount_cents = fields.Integer(allow_none=True)
    detail = fields.String(allow_none=True)

    @post_load
    def _as_step(self, data: dict[str, Any], **_: object) -> Step:
        return Step(**data)


class KnownStepsSchema(_AnswerSchema):
    """What a service knows."""

    items = fields.List(fields.Nested(StepSchema), required=True)
    left_out = fields.Integer(required=True, metadata={"description": "Events made here beyond `limit`"})

    @post_load
    def _as_known(self, data: dict[str, Any], **_: object) -> KnownSteps:
        return KnownSteps(**data)


class TraceArgs(Schema):
    """What is wanted of a thread of causes."""

    limit = fields.Integer(load_default=MAX_EVENTS, validate=validate.Range(1, MAX_EVENTS))
    event_ids = DelimitedList(
        fields.UUID(),
        load_default=(),
        validate=validate.Length(max=MAX_IDS),
        metadata={"description": "Events of other services: it is said whether they were handled here"},
    )


class ThreadArgs(Schema):
    """What the threads have to do with."""

    id = Text(required=True, metadata={"description": "A correlation id, or the id of an event or of what it is about"})


class ThreadSchema(_AnswerSchema):
    """All that has one correlation id, as far as this service knows."""

    correlation_id = fields.UUID(required=True)
    since = fields.AwareDateTime(required=True)
    type = fields.String(required=True, metadata={"description": "Of its first event here"})
    events = fields.Integer(required=True)

    @post_load
    def _as_thread(self, data: dict[str, Any], **_: object) -> Thread:
        return Thread(**data)


class ThreadsSchema(_AnswerSchema):
    """The latest threads, the newest first."""

    items = fields.List(fields.Nested(ThreadSchema), required=True)

    @post_load
    def _as_list(self, data: dict[str, Any], **_: object) -> list[Thread]:
        found: list[Thread] = data["items"]
        return found


@trace.get("/<uuid:correlation_id>")
@trace.arguments(TraceArgs, location="query")
@trace.response(200, KnownStepsSchema)
@require_roles(Role.ADMIN)
def get_trace(args: dict[str, Any], correlation_id: UUID) -> KnownSteps:
    """What this service did about one request or job; for administrators"""
    known = runtime()
    with known.database.reading() as session:
        return known_steps(
            session,
            known.settings.service,
            correlation_id,
            args["event_ids"],
            known.further_steps,
            limit=args["limit"],
        )


@trace.get("")
@trace.arguments(ThreadArgs, location="query")
@trace.response(200, ThreadsSchema)
@require_roles(Role.ADMIN)
def get_threads(args: dict[str, Any]) -> dict[str, list[Thread]]:
    """The correlation ids of the events that have to do with something; for administrators"""
    with runtime().database.reading() as session:
        return {"items": threads_of(session, args["id"], limit=MAX_THREADS)}
