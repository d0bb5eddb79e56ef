"""The REST API of analytics, under /api/v1, for administrators."""

from typing import Any

from analytics_service import queries
from analytics_service.domain.calendar import span
from analytics_service.queries import DayRow, Today, TopRow
from analytics_service.schemas import (
    DaySchema,
    RangeArgs,
    ReconciliationSchema,
    TodaySchema,
    TopArgs,
    TopTaskSchema,
)
from chassis.business_clock import business_now
from chassis.identity import require_roles
from chassis.input.bodies import Blueprint
from chassis.lists import lists
from chassis.paging import Page
from chassis.people import Role
from chassis.runtime import runtime

figures = Blueprint("figures", __name__, url_prefix="/api/v1", description="Figures for the management")


@figures.get("/today")
@require_roles(Role.ADMIN)
@figures.response(200, TodaySchema)
def get_today() -> Today:
    """The management's income today and the accounts below zero now"""
    with runtime().database.reading() as session:
        return queries.today(session, queries.current_day(session))


@figures.get("/days")
@require_roles(Role.ADMIN)
@figures.arguments(RangeArgs, location="query")
@lists(figures, DaySchema)
def list_days(args: dict[str, Any]) -> Page[DayRow]:
    """Income and accounts below zero, day by day

    Every day of the range, up to 366; never a further page.
    """
    with runtime().database.reading() as session:
        return Page(list(queries.days(session, span(**args, today=queries.current_day(session)))))


@figures.get("/top-tasks")
@require_roles(Role.ADMIN)
@figures.arguments(TopArgs, location="query")
@lists(figures, TopTaskSchema)
def list_top_tasks(args: dict[str, Any]) -> Page[TopRow]:
    """The most expensive completed task of each day, week or month

    Every period with a day in the range, each as a whole; weeks begin on Monday. Of equal rewards the earlier
    completion wins. Never a further page.
    """
    period = args.pop("period")
    with runtime().database.reading() as session:
        return Page(list(queries.top(session, span(**args, today=queries.current_day(session)), period)))


@figures.get("/reconciliation")
@require_roles(Role.ADMIN)
@figures.response(200, ReconciliationSchema)
def get_reconciliation() -> dict[str, Any]:
    """Where the figures here and billing's disagree"""
    with runtime().database.reading() as session:
        found = queries.reconcile(session, business_now(session))
    return {"agrees": not found, "differences": found}
