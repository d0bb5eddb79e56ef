"""What comes in and goes out as JSON. Rules about a task's words stand in `domain.text`, for pages and API alike."""

from marshmallow import Schema, fields, validate

from chassis.paging import PageArgs, cursor_field, limit_field
from chassis.problems import ProblemSchema
from tracker_service.models import DONE, OPEN

_TASKS_ON_A_PAGE = 25


class PersonSchema(Schema):
    """Somebody, as far as a task shows them."""

    id = fields.UUID(attribute="user_id", required=True)
    name = fields.String(required=True)


class ParticipantSchema(PersonSchema):
    """Somebody who did something, or to whom it happened."""

    name = fields.String(
        required=True, allow_none=True, metadata={"description": "Null until the tracker has heard of them"}
    )


class TaskSchema(Schema):
    """A task. Prices are null until billing has set them."""

    id = fields.UUID(attribute="public_id", required=True)
    title = fields.String(required=True)
    jira_id = fields.String(required=True, allow_none=True)
    description = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf([OPEN, DONE]))
    assignee = fields.Nested(PersonSchema, required=True)
    assignment_no = fields.Integer(
        required=True, metadata={"description": "1 at creation, one more with each reassignment; each is charged"}
    )
    fee_cents = fields.Integer(required=True, allow_none=True)
    reward_cents = fields.Integer(required=True, allow_none=True)
    created_by = fields.UUID(required=True)
    author = fields.Nested(
        PersonSchema,
        attribute="creator",
        required=True,
        allow_none=True,
        metadata={"description": "Null until the tracker has heard of them"},
    )
    created_at = fields.AwareDateTime(required=True)
    completed_at = fields.AwareDateTime(required=True, allow_none=True)


class NotCompletedSchema(ProblemSchema):
    """Why a task cannot be marked done."""

    assignee = fields.Nested(
        PersonSchema, metadata={"description": "Only if a reassignment came first: who has it now"}
    )


class NewTaskSchema(Schema):
    """What a task is created from."""

    title = fields.String(required=True, metadata={"description": "1..200 characters, without [ and ]"})
    jira_id = fields.String(load_default=None, allow_none=True, metadata={"description": "As POPUG-12"})
    description = fields.String(load_default="", metadata={"description": "Up to 10000 characters"})


class TaskChangesSchema(Schema):
    """The words to change; what is not sent stays. A `jira_id` of null takes the key away."""

    title = fields.String()
    jira_id = fields.String(allow_none=True)
    description = fields.String()


class CompletedSchema(Schema):
    """Where on the page of one's own tasks a task was marked done, to come back to the same place."""

    cursor = cursor_field()
    next = fields.UUID(load_default=None, metadata={"description": "The task below it"})


class NewsReadSchema(Schema):
    """How far the news were read."""

    until = fields.AwareDateTime(required=True)


class OwnTasksArgs(PageArgs):
    """Which part of the page of one's own tasks is wanted: `cursor` is of the open ones, `limit` of either list."""

    limit = limit_field(_TASKS_ON_A_PAGE)
    done = cursor_field()
