"""REST for operators, beside `chassis.messages_api`: how the service fares, its jobs, large replays, trials."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from flask import request
from marshmallow import Schema, fields, validate

from chassis import dead_letters
from chassis.errors import N_, NotFound
from chassis.identity import current_principal, require_roles
from chassis.input.bodies import Blueprint
from chassis.input.fields import Text
from chassis.input.text import is_text
from chassis.lists import lists
from chassis.messages_api import DeadLetterSchema, SelectionSchema
from chassis.overview import job_words, service_overview
from chassis.paging import Page, PageArgs
from chassis.people import Role
from chassis.runtime import runtime
from chassis.scheduled_jobs import request_run
from messaging.dead_letters import (
    DeadLetterView,
    Progress,
    Selection,
    Trial,
    Verdict,
    latest_gradual_replay,
)

operations = Blueprint(
    "operations", __name__, url_prefix="/api/v1/messages", description="How the service fares, for operators"
)

_NOTE_LENGTH = 2_000


class OutboxOverviewSchema(Schema):
    """What the service tells others."""

    pending = fields.Integer(metadata={"description": "Events that the broker has not confirmed yet"})
    oldest_pending_seconds = fields.Float(allow_none=True)
    published_total = fields.Integer()
    published_per_minute = fields.Integer(metadata={"description": "In the last minute"})


class ReadSchema(Schema):
    """An event that the service subscribes to."""

    event = fields.String()
    version = fields.Integer(metadata={"description": "The newest that it knows: older ones are lifted to it"})


class ConsumerOverviewSchema(Schema):
    """What the service hears of others."""

    ready = fields.Integer(allow_none=True, metadata={"description": "Messages in its queue when it last looked"})
    measured_at = fields.AwareDateTime(allow_none=True, metadata={"description": "When it last looked"})
    working = fields.Boolean(metadata={"description": "It looked within the last minute, and receives"})
    handled_per_minute = fields.Integer(metadata={"description": "In the last minute"})
    reads = fields.List(fields.Nested(ReadSchema))


class NoteSchema(Schema):
    """What somebody has written about a group."""

    text = fields.String()
    by = fields.String()
    at = fields.AwareDateTime()


class GroupOverviewSchema(Schema):
    """The open dead letters of one type and reason."""

    type = fields.String()
    reason = fields.String()
    count = fields.Integer()
    undecided = fields.Integer()
    oldest_died_at = fields.AwareDateTime()
    newest_died_at = fields.AwareDateTime()
    note = fields.Nested(NoteSchema, allow_none=True)


class DeadOverviewSchema(Schema):
    """The dead letters, grouped."""

    open = fields.Integer()
    undecided = fields.Integer(metadata={"description": "Those that nobody has decided about yet"})
    groups = fields.List(fields.Nested(GroupOverviewSchema), metadata={"description": "The largest"})
    further_groups = fields.Integer(metadata={"description": "Groups that are not among them"})


class UnknownTypeSchema(Schema):
    """A type that somebody publishes and nobody knows."""

    type = fields.String()
    count = fields.Integer()


class OutcomeSchema(Schema):
    """What became of letters that were replayed."""

    under_way = fields.Integer()
    handled = fields.Integer()
    dead_again = fields.Integer()
    behind = fields.Integer(
        metadata={"description": "Those that wait behind an earlier event of their aggregate, when their step is over"}
    )


class GradualReplaySchema(Schema):
    """A replay of many dead letters, 1, 10, 100, ... at a time; it ends with the first that die again."""

    state = fields.Enum(Progress, by_value=True)
    type = fields.String(allow_none=True)
    reason = fields.String(allow_none=True)
    field = fields.String(allow_none=True)
    total = fields.Integer()
    taken = fields.Integer(metadata={"description": "Those that were replayed so far"})
    outcome = fields.Nested(OutcomeSchema)
    actor_name = fields.String()
    started_at = fields.AwareDateTime()
    ended_at = fields.AwareDateTime(allow_none=True)


class JobSchema(Schema):
    """What the service does by the clock."""

    name = fields.String()
    words = fields.String(metadata={"description": "What it does"})
    every_seconds = fields.Float(allow_none=True)
    last_started_at = fields.AwareDateTime(allow_none=True)
    last_finished_at = fields.AwareDateTime(allow_none=True)
    last_outcome = fields.String(allow_none=True, metadata={"description": "`done` or `failed`"})
    last_detail = fields.String(metadata={"description": "Why it failed"})
    next_run_at = fields.AwareDateTime(allow_none=True)
    requested_at = fields.AwareDateTime(allow_none=True, metadata={"description": "Of a run that is not over yet"})
    requested_by = fields.String(allow_none=True)


class OverviewSchema(Schema):
    """How the service fares."""

    outbox = fields.Nested(OutboxOverviewSchema)
    consumer = fields.Nested(ConsumerOverviewSchema, allow_none=True)
    waiting = fields.Integer(metadata={"description": "Events that wait for their next attempt, or behind one"})
    dead = fields.Nested(DeadOverviewSchema)
    unknown_types = fields.List(fields.Nested(UnknownTypeSchema), metadata={"description": "The largest"})
    further_unknown_types = fields.Integer(metadata={"description": "Those that are not among them"})
    gradual_replay = fields.Nested(GradualReplaySchema, allow_none=True, metadata={"description": "The latest"})
    needs_person = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={"description": "What else waits for a person, by its kind, such as letters"},
    )
    jobs = fields.List(fields.Nested(JobSchema))


class BegunSchema(Schema):
    """A gradual replay that was begun."""

    requested = fields.Integer(metadata={"description": "Dead letters that it is about"})


class StoppedSchema(Schema):
    """What came of asking a gradual replay to stop."""

    stopped = fields.Boolean(metadata={"description": "False if there was none"})


class NoteOf(Schema):
    """The dead letters of one type and reason."""

    type = Text(load_default="")
    reason = Text(load_default="")


class NoteArgs(NoteOf):
    """A note about them; an empty text takes it away."""

    text = fields.String(required=True, validate=validate.Length(max=_NOTE_LENGTH))


class TrialSchema(Schema):
    """What a replay would do."""

    verdict = fields.Enum(Verdict, by_value=True)
    detail = fields.String(metadata={"description": "What is wrong"})
    publishes = fields.List(fields.String(), metadata={"description": "Types of the events that would be published"})


class RetriedOneSchema(Schema):
    """An event that is tried at once."""

    id = fields.UUID()


class JobNotFound(NotFound):
    """The service has no such job."""


@operations.get("/overview")
@operations.response(200, OverviewSchema)
@require_roles(Role.ADMIN)
def get_overview() -> dict[str, Any]:
    """Outbox, consumer, what waits, what is dead, unknown types, jobs"""
    return service_overview(runtime().database, runtime().handlers, runtime().further_needs)


@operations.post("/jobs/<string:name>/run")
@operations.response(202, JobSchema)
@operations.alt_response(404, description="The service has no such job")
@require_roles(Role.ADMIN)
def run_job(name: str) -> dict[str, Any]:
    """Have a job run now, and not when it is due; asking again before it has run changes nothing"""
    with runtime().database.transaction() as session:
        job = request_run(session, name, by=current_principal().name) if is_text(name) else None
        if job is None:
            raise JobNotFound(N_("There is no job %(name)s."), name=name)
        return job_words(job)


@operations.get("/waiting")
@operations.arguments(PageArgs, location="query")
@lists(operations, DeadLetterSchema)
@require_roles(Role.ADMIN)
def get_waiting(args: dict[str, Any]) -> Page[DeadLetterView]:
    """What waits for its next attempt, or behind an earlier event of its aggregate"""
    return dead_letters.page_of_letters(args["page"], Selection(), "held")


@operations.post("/waiting/<uuid:event_id>/retry")
@operations.response(202, RetriedOneSchema)
@operations.alt_response(404, description="No such event is held")
@operations.alt_response(409, description="It is dead, its turn has not come, or it is done with")
@require_roles(Role.ADMIN)
def retry_waiting(event_id: UUID) -> dict[str, UUID]:
    """Try an event at once that waits for its next attempt"""
    dead_letters.retry_waiting_event(event_id)
    return {"id": event_id}


@operations.get("/dead-letters/gradual-replay")
@operations.response(200, GradualReplaySchema)
@operations.alt_response(404, description="There never was any")
@require_roles(Role.ADMIN)
def get_gradual_replay() -> dict[str, Any]:
    """How far the latest gradual replay is"""
    with runtime().database.reading() as session:
        found = latest_gradual_replay(session)
    if found is None:
        raise NotFound(N_("Nothing was ever replayed gradually."))
    return asdict(found)


@operations.post("/dead-letters/gradual-replay")
@operations.arguments(SelectionSchema)
@operations.response(202, BegunSchema)
@operations.alt_response(409, description="Another one is under way")
@require_roles(Role.ADMIN)
def begin_gradual_replay(selection: dict[str, Any]) -> dict[str, int]:
    """Replay 1, then 10, 100, ... of a selection, as long as none of them dies again"""
    return {"requested": dead_letters.begin_gradually(Selection(**selection))}


@operations.post("/dead-letters/gradual-replay/stop")
@operations.response(202, StoppedSchema)
@require_roles(Role.ADMIN)
def stop_gradual_replay() -> dict[str, bool]:
    """Take no further step; what is under way comes to its end"""
    return {"stopped": dead_letters.stop_gradually()}


@operations.put("/dead-letters/note")
@operations.arguments(NoteArgs)
@operations.response(204)
@require_roles(Role.ADMIN)
def put_note(note: dict[str, str]) -> None:
    """Write a note about a group, for whoever looks next"""
    dead_letters.note_group(note["type"], note["reason"], note["text"])


@operations.post("/dead-letters/<uuid:letter_id>/trial")
@operations.doc(
    requestBody={
        "description": "The edited event, or those of its attributes that are to change. Without a body the letter "
        "is tried out as it is.",
        "required": False,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
)
@operations.response(200, TrialSchema)
@operations.alt_response(404, description="No dead letter has this id")
@operations.alt_response(422, description="The edited event is none, or does not fit its schema")
@require_roles(Role.ADMIN)
def try_letter(letter_id: UUID) -> Trial:
    """Find out what a replay would do: the handler is called, and all that it does is undone"""
    changes = dead_letters.event_of_text(request.get_data()) if request.get_data() else None
    return dead_letters.try_letter(letter_id, changes)
