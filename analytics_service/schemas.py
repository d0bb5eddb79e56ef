"""What comes in and goes out as JSON."""

from marshmallow import Schema, fields

from analytics_service.domain.calendar import Period
from chassis.input.fields import Day


class TodaySchema(Schema):
    """The management's day so far."""

    day = fields.Date(required=True)
    income_cents = fields.Integer(required=True)
    fees_cents = fields.Integer(required=True)
    rewards_cents = fields.Integer(required=True)
    negative_accounts = fields.Integer(required=True, metadata={"description": "Accounts below zero now"})


class RangeArgs(Schema):
    """A range of business days, both ends included; the last thirty days unless said otherwise."""

    first = Day(data_key="from", load_default=None)
    last = Day(data_key="to", load_default=None)


class DaySchema(Schema):
    """A day."""

    day = fields.Date(required=True)
    income_cents = fields.Integer(required=True)
    negative_accounts = fields.Integer(
        required=True, metadata={"description": "Accounts below zero at the end of the day"}
    )


class TopArgs(RangeArgs):
    """Which periods of which range."""

    period = fields.Enum(Period, by_value=True, load_default=Period.DAY)


class NamedTaskSchema(Schema):
    """A task; its title is null until analytics has heard of it."""

    id = fields.UUID(required=True)
    title = fields.String(required=True, allow_none=True)
    jira_id = fields.String(required=True, allow_none=True)


class TopTaskSchema(Schema):
    """A period and its most expensive task; both are null when none was completed."""

    period_start = fields.Date(required=True)
    period_end = fields.Date(required=True)
    task = fields.Nested(NamedTaskSchema, required=True, allow_none=True)
    reward_cents = fields.Integer(required=True, allow_none=True)


class DifferenceSchema(Schema):
    """A figure that billing has otherwise."""

    day = fields.Date(required=True, allow_none=True, metadata={"description": "null for an account's balance"})
    figure = fields.String(required=True)
    billing = fields.Integer(required=True)
    analytics = fields.Integer(required=True)
    account = fields.String(required=True, allow_none=True, metadata={"description": "Whose balance it is"})


class ReconciliationSchema(Schema):
    """Whether the figures here are billing's."""

    agrees = fields.Boolean(required=True)
    differences = fields.List(fields.Nested(DifferenceSchema), required=True)
