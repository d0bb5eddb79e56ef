"""What comes in and goes out as JSON about reassignments."""

from marshmallow import Schema, fields, validate

from chassis.paging import PageArgs, limit_field
from tracker_service.models import FINISHED, RUNNING
from tracker_service.schemas.tasks import ParticipantSchema

_ON_A_PAGE = 25


class ReassignmentSchema(Schema):
    """A run: its progress, and what it cost."""

    id = fields.UUID(required=True)
    status = fields.String(required=True, validate=validate.OneOf([RUNNING, FINISHED]))
    waits = fields.Boolean(
        required=True, metadata={"description": "It is running, but begins when the runs before it have ended"}
    )
    requested_by = fields.Nested(
        ParticipantSchema,
        attribute="pressed_by",
        required=True,
        allow_none=True,
        metadata={"description": "Null when somebody was blocked: then only their tasks go to others"},
    )
    total = fields.Integer(required=True, metadata={"description": "Tasks that were open at the request"})
    done = fields.Integer(
        required=True, metadata={"description": "Tasks that got an assignee; not those completed meanwhile"}
    )
    charged = fields.Integer(
        required=True, metadata={"description": "Of the assignments of this run, those that billing has charged so far"}
    )
    cost_cents = fields.Integer(required=True, metadata={"description": "The fees of those, together"})
    nobody_to_assign = fields.Boolean(
        required=True, metadata={"description": "The run ended early: there was nobody left who can be assigned"}
    )
    started_at = fields.AwareDateTime(required=True, metadata={"description": "When it was requested"})
    finished_at = fields.AwareDateTime(required=True, allow_none=True)


class PreviewSchema(Schema):
    """What a run would do that was requested now."""

    tasks = fields.Integer(required=True, metadata={"description": "Open tasks"})
    people = fields.Integer(required=True, metadata={"description": "Among whom assignees would be drawn"})
    estimated_fee_cents = fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "description": "The fees of the open tasks; one without a price counts as much as the others on average. "
            "Null when there are open tasks and none of them has its price yet"
        },
    )
    would_wait = fields.Boolean(required=True, metadata={"description": "Another run has to end first"})


class ReassignedSchema(Schema):
    """A task that a run has given to somebody."""

    task_id = fields.UUID(required=True)
    title = fields.String(required=True)
    jira_id = fields.String(required=True, allow_none=True)
    before = fields.Nested(
        ParticipantSchema, required=True, allow_none=True, metadata={"description": "Who had it; null if not known"}
    )
    after = fields.Nested(ParticipantSchema, required=True)
    fee_cents = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Null until billing has set the price"}
    )


class RunsArgs(PageArgs):
    """Which part of a list on the pages of runs is wanted."""

    limit = limit_field(_ON_A_PAGE)
