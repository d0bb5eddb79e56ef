"""What comes in and goes out as JSON about reassignments."""

from marshmallow import Schema, fields, validate

from tracker_service.models import FINISHED, RUNNING


class ReassignmentSchema(Schema):
    """The progress of a run."""

    id = fields.UUID(required=True)
    status = fields.String(required=True, validate=validate.OneOf([RUNNING, FINISHED]))
    total = fields.Integer(required=True, metadata={"description": "Tasks that were open at the request"})
    done = fields.Integer(
        required=True, metadata={"description": "Tasks that got an assignee; not those completed meanwhile"}
    )
    nobody_to_assign = fields.Boolean(
        required=True, metadata={"description": "The run ended early: there was nobody left who can be assigned"}
    )
    started_at = fields.AwareDateTime(required=True)
    finished_at = fields.AwareDateTime(required=True, allow_none=True)
