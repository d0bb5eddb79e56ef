"""What goes out as JSON about what happened to a task."""

from marshmallow import Schema, fields, validate

from chassis.paging import MAX_LIMIT, PageArgs, limit_field
from tracker_service.schemas.tasks import ParticipantSchema

_KINDS = ["created", "edited", "priced", "assigned", "charged", "completed", "paid"]


class HistoryItemSchema(Schema):
    """One thing that happened to a task."""

    at = fields.AwareDateTime(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(_KINDS))
    by = fields.Nested(ParticipantSchema, required=True, allow_none=True)
    assignee = fields.Nested(
        ParticipantSchema,
        required=True,
        allow_none=True,
        metadata={"description": "Who got the task, or whose account was charged or paid"},
    )
    amount_cents = fields.Integer(
        required=True, allow_none=True, metadata={"description": "What was charged or paid; the fee of a price"}
    )
    reward_cents = fields.Integer(required=True, allow_none=True, metadata={"description": "Only of a price"})
    before = fields.Dict(
        required=True, allow_none=True, metadata={"description": "The words that an edit changed, as they were"}
    )
    after = fields.Dict(required=True, allow_none=True, metadata={"description": "The same words after the edit"})
    reassignment_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "The run that drew the assignee"}
    )


class HistoryArgs(PageArgs):
    """Which part of a task's history its page shows: nearly always all of it."""

    limit = limit_field(MAX_LIMIT)
