"""The tracker in a few numbers, as JSON."""

from marshmallow import Schema, fields


class LatestReassignmentSchema(Schema):
    """A run, as far as a line tells of it."""

    id = fields.UUID(required=True)
    status = fields.String(required=True)
    total = fields.Integer(required=True)
    done = fields.Integer(required=True)
    started_at = fields.AwareDateTime(required=True)


class SummarySchema(Schema):
    """What somebody's first page shows of the tracker; for managers and administrators all of it."""

    own_open_tasks = fields.Integer(required=True)
    open_tasks = fields.Integer(metadata={"description": "Everybody's"})
    latest_reassignment = fields.Nested(LatestReassignmentSchema, allow_none=True)
