"""The tracker in a few numbers, as JSON."""

from marshmallow import Schema, fields

from tracker_service.schemas.reassignments import ReassignmentSchema


class SummarySchema(Schema):
    """What somebody's first page shows of the tracker; for managers and administrators all of it."""

    own_open_tasks = fields.Integer(required=True)
    open_tasks = fields.Integer(metadata={"description": "Everybody's"})
    latest_reassignment = fields.Nested(ReassignmentSchema, allow_none=True)
