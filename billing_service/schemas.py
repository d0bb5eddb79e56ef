"""What comes in and goes out as JSON. Rules about prices stand in `domain.pricing`, for pages and API alike."""

from marshmallow import Schema, fields, validate
from webargs.fields import DelimitedList

from billing_service.models import CLOSED, FAILED, OPEN, PENDING, SENT, UNKNOWN
from billing_service.queries.reports import LINES
from chassis.input.amounts import MAX_CENTS
from chassis.input.fields import Day
from chassis.paging import MAX_LIMIT, PageArgs

_CENTS = {"description": "In cents"}
_SIGNED_CENTS = {"description": "In cents, as its owner sees it: negative is what was taken"}


def _cents() -> fields.Integer:
    return fields.Integer(required=True, metadata=_CENTS)


class TodaySchema(Schema):
    """What the business day brought so far."""

    fees_cents = _cents()
    rewards_cents = _cents()


class AccountSchema(Schema):
    """A parrot's account."""

    user_id = fields.UUID(required=True)
    name = fields.String(required=True, allow_none=True, metadata={"description": "null until auth has told it"})
    status = fields.String(required=True, validate=validate.OneOf([OPEN, CLOSED]))
    balance_cents = _cents()
    today = fields.Nested(TodaySchema, required=True)


class BooksSchema(Schema):
    """The whole in a few numbers."""

    income_today_cents = _cents()
    first_open_day = fields.Date(required=True)
    days_to_close = fields.Integer(required=True, metadata={"description": "Days that are over and not closed"})
    letters_in_trouble = fields.Integer(
        required=True, metadata={"description": "Payouts whose letter was not delivered, or perhaps not"}
    )


class SummarySchema(Schema):
    """What somebody's first page shows of billing."""

    account = fields.Nested(AccountSchema, required=True, allow_none=True)
    books = fields.Nested(BooksSchema, metadata={"description": "Only for accountants and administrators"})


class TaskWordsSchema(Schema):
    """A task in the log. Its words are null until the tracker has told them."""

    id = fields.UUID(required=True)
    title = fields.String(required=True, allow_none=True)
    jira_id = fields.String(required=True, allow_none=True)
    description = fields.String(required=True, allow_none=True)


class EntrySchema(Schema):
    """A movement and its cause."""

    id = fields.UUID(required=True)
    at = fields.AwareDateTime(required=True)
    business_day = fields.Date(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(["fee", "reward", "payout", "correction"]))
    amount_cents = fields.Integer(required=True, metadata=_SIGNED_CENTS)
    balance_after_cents = _cents()
    task = fields.Nested(TaskWordsSchema, required=True, allow_none=True)
    assignment_no = fields.Integer(required=True, allow_none=True, metadata={"description": "Which one a fee is for"})
    cause_event_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "null when a person or the robot did it"}
    )
    correlation_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "Shared by all that the same request or job set off; null for old movements"},
    )
    note = fields.String(required=True, allow_none=True, metadata={"description": "Why a correction was made"})


class EntryArgs(PageArgs):
    """Which part of the log is wanted."""

    in_cursor = frozenset({"day"})

    day = Day(load_default=None, metadata={"description": "The current business day if not given"})


class PriceArgs(Schema):
    """Which tasks' prices are wanted."""

    task_ids = DelimitedList(fields.UUID(), required=True, validate=validate.Length(1, MAX_LIMIT))


class PriceSchema(Schema):
    """What a task costs and earns."""

    task_id = fields.UUID(required=True)
    fee_cents = _cents()
    reward_cents = _cents()
    priced_at = fields.AwareDateTime(required=True)


class PricingRulesSchema(Schema):
    """The ranges that prices are drawn from, both ends included."""

    fee_min_cents = fields.Integer(required=True, strict=True, metadata=_CENTS)
    fee_max_cents = fields.Integer(required=True, strict=True, metadata=_CENTS)
    reward_min_cents = fields.Integer(required=True, strict=True, metadata=_CENTS)
    reward_max_cents = fields.Integer(required=True, strict=True, metadata=_CENTS)


class PeriodArgs(Schema):
    """A period, both ends included: `to` is the current business day, and `from` 30 days before, unless given."""

    first = Day(data_key="from", load_default=None)
    last = Day(data_key="to", load_default=None)


class IncomeSchema(Schema):
    """The management's income of a day."""

    day = fields.Date(required=True)
    fees_cents = _cents()
    rewards_cents = _cents()
    income_cents = fields.Integer(required=True, metadata={"description": "Fees minus rewards"})


class DaySchema(Schema):
    """A business day."""

    day = fields.Date(required=True)
    status = fields.String(required=True, validate=validate.OneOf([OPEN, CLOSED]))
    closed_at = fields.AwareDateTime(required=True, allow_none=True)


class CloseArgs(Schema):
    """The days that a person confirms: from this one to the day to be closed."""

    confirmed_from = Day(
        data_key="from",
        load_default=None,
        metadata={"description": "The first of the days to be closed, needed for more than three of them"},
    )


class TotalsSchema(Schema):
    """opening + rewards - fees + corrections - payout = closing."""

    opening_cents = _cents()
    fees_cents = _cents()
    rewards_cents = _cents()
    corrections_cents = _cents()
    payout_cents = _cents()
    closing_cents = _cents()


class ReportLineSchema(TotalsSchema):
    """What the day did to one account."""

    user_id = fields.UUID(required=True)
    name = fields.String(required=True, allow_none=True)


class DayReportSchema(DaySchema):
    """The financial report of a day; final once the day is closed."""

    accounts = fields.List(
        fields.Nested(ReportLineSchema),
        required=True,
        metadata={"description": f"In the order in which accounts were opened; {LINES:,} at most"},
    )
    totals = fields.Nested(TotalsSchema, required=True, metadata={"description": "Of all accounts"})
    next_cursor = fields.String(
        required=True, allow_none=True, metadata={"description": "Where the statements of the day go on"}
    )


class PayoutArgs(PageArgs):
    """Whose payouts are wanted: one's own, or for accountants and administrators everybody's."""

    day = Day(load_default=None)
    user_id = fields.UUID(load_default=None)


class PayoutSchema(Schema):
    """A payout and how far the letter about it has come."""

    id = fields.UUID(required=True)
    user_id = fields.UUID(required=True)
    name = fields.String(required=True, allow_none=True)
    day = fields.Date(required=True)
    amount_cents = _cents()
    status = fields.String(required=True, metadata={"description": "`made`: money that was paid stays paid"})
    letter = fields.String(required=True, validate=validate.OneOf([PENDING, SENT, FAILED, UNKNOWN]))
    attempts = fields.Integer(required=True, metadata={"description": "How often the letter was handed over, or tried"})
    made_at = fields.AwareDateTime(required=True)


class CorrectionSchema(Schema):
    """A correction of a balance."""

    amount_cents = fields.Integer(
        required=True, strict=True, metadata={**_SIGNED_CENTS, "minimum": -MAX_CENTS, "maximum": MAX_CENTS}
    )
    note = fields.String(required=True, metadata={"description": "Why; up to 500 characters"})


class PostedCorrectionSchema(Schema):
    """A correction that was posted."""

    id = fields.UUID(required=True)
