"""The clock of a demonstration, under /api/v1/clock. Where the installation is none, there is no such address."""

from datetime import datetime
from typing import Any

from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from chassis.business_clock import business_now
from chassis.clock_offset import FURTHEST, move_clock, read_offset
from chassis.identity import Role, current_principal, require_roles
from chassis.input.bodies import Blueprint
from chassis.runtime import runtime

demo_clock = Blueprint("clock", __name__, url_prefix="/api/v1/clock", description="The clock of a demonstration")


class ClockOffsetSchema(Schema):
    """How far ahead the business clock is."""

    ahead_seconds = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(0, int(FURTHEST.total_seconds())),
        metadata={"description": "Before which it is the database's own; it only grows, by three days at once"},
    )


class ClockSchema(ClockOffsetSchema):
    """The business clock."""

    now = fields.AwareDateTime(metadata={"description": "What it shows"})
    time_zone = fields.String(metadata={"description": "The zone in which a business day starts and ends"})


@demo_clock.get("")
@require_roles()
@demo_clock.response(200, ClockSchema)
def get_clock() -> dict[str, Any]:
    """What the business clock shows"""
    with runtime().database.reading() as session:
        return _shown(session)


@demo_clock.put("")
@require_roles(Role.ADMIN)
@demo_clock.arguments(ClockOffsetSchema)
@demo_clock.response(200, ClockSchema)
def put_clock(wanted: dict[str, int]) -> dict[str, Any]:
    """Put the business clock forward; for administrators

    The same request again changes nothing. Each service has a clock of its own: tell all four the same.
    """
    with runtime().database.transaction() as session:
        move_clock(session, wanted["ahead_seconds"], by=current_principal().user_id)
        return _shown(session)


def _shown(session: Session) -> dict[str, int | datetime | str]:
    return {
        "ahead_seconds": read_offset(session),
        "now": business_now(session),
        "time_zone": str(runtime().settings.business_timezone),
    }
