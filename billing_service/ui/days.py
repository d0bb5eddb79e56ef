"""The management's income, business days and their reports."""

from datetime import date

from flask import flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from billing_service import queries
from billing_service.domain.period import period
from billing_service.errors import FutureDay, TooManyDays
from billing_service.jobs import close_days_up_to
from billing_service.models import CLOSED
from billing_service.schemas import CloseArgs, PeriodArgs
from billing_service.ui.frame import SEE_ALL, pages
from chassis.business_clock import calendar_day
from chassis.chart import bar_chart
from chassis.errors import Invalid
from chassis.i18n import format_day, translate
from chassis.identity import Role, current_principal, require_roles
from chassis.input.sent import load_query
from chassis.paging import PageArgs
from chassis.runtime import runtime


@pages.get("/income")
@require_roles(*SEE_ALL)
def show_income() -> tuple[str, int]:
    """The management's income today and by day."""
    fault = None
    with runtime().database.reading() as session:
        today = queries.current_day(session)
        try:
            first, last = period(**load_query(PeriodArgs), today=today)
        except Invalid as error:
            fault = translate(error.message)
            first, last = period(None, None, today=today)
        days = queries.income(session, first, last)
        page = render_template(
            "billing/income.html",
            today=queries.income_of(session, today),
            days=days,
            chart=bar_chart([(each.day, each.income_cents) for each in days]),
            first=first,
            last=last,
            fault=fault,
        )
    return page, 422 if fault else 200


@pages.get("/days")
@require_roles(*SEE_ALL)
def list_days() -> str:
    """All business days, and when the robot last looked."""
    with runtime().database.reading() as session:
        return render_template(
            "billing/days.html",
            days=queries.days(session, page=load_query(PageArgs)["page"]),
            last_to_close=calendar_day(session),
            to_confirm=queries.days_to_confirm(session),
            run=queries.robot_run(session),
            told_problem=_told_problem,
            may_close=_may_close(),
        )


@pages.get("/days/<day:day>")
@require_roles(*SEE_ALL)
def show_day(day: date) -> str:
    """The financial report of a day."""
    with runtime().database.reading() as session:
        report = queries.day_report(session, day, page=load_query(PageArgs)["page"])
        closable = report.status != CLOSED and day <= calendar_day(session)
    return render_template("billing/day.html", report=report, may_close=_may_close() and closable)


@pages.get("/days/<day:day>/close")
@require_roles(Role.ADMIN)
def confirm_close(day: date) -> str | Response:
    """Ask whether the day is really to be closed, and say what that would do."""
    with runtime().database.reading() as session:
        first = queries.first_open_day(session)
        if not first <= day <= calendar_day(session):
            return redirect(url_for("billing.show_day", day=day), 303)
        due = queries.due_payouts(session, first)
    return render_template(
        "billing/close_day.html",
        day_to_close=day,
        first=first,
        number=(day - first).days + 1,
        due=due,
    )


@pages.post("/days/<day:day>/close")
@require_roles(Role.ADMIN)
def close_day(day: date) -> Response:
    """Close the day and all before it; a second click on the button does no harm."""
    try:
        closed = close_days_up_to(runtime().database, day, **load_query(CloseArgs))
    except (FutureDay, TooManyDays) as error:
        flash(translate(error.message, error.parts), "bad")
        return redirect(url_for("billing.list_days"), 303)
    for each in closed:
        flash(_("Closed: %(day)s.", day=format_day(each)))
    return redirect(url_for("billing.show_day", day=day), 303)


def _told_problem(problem: str) -> str:
    """Translate the fault; what follows it are names and numbers."""
    fault, colon, detail = problem.partition(":")
    return translate(fault) + colon + detail


def _may_close() -> bool:
    return current_principal().role is Role.ADMIN
