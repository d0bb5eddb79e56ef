"""The dashboard. The same queries and the same reading of the query string as the API."""

from datetime import date
from typing import Any

from flask import Blueprint, render_template, request
from flask_babel import gettext as _
from marshmallow import EXCLUDE, ValidationError

from analytics_service import queries
from analytics_service.domain import reconciliation
from analytics_service.domain.calendar import Period, Span, span
from analytics_service.errors import InvalidRange
from analytics_service.schemas import TopArgs
from chassis.business_clock import business_now
from chassis.chart import bar_chart
from chassis.i18n import translate
from chassis.identity import current_principal, require_roles
from chassis.people import Role
from chassis.runtime import runtime

pages = Blueprint(
    "analytics", __name__, template_folder="templates", static_folder="static", static_url_path="/analytics/static"
)

_BELOW_ZERO_LISTED = 20


@pages.before_request
@require_roles()
def only_for_admins() -> tuple[str, int] | None:
    """Everybody else is shown the way to what is theirs."""
    if current_principal().role is Role.ADMIN:
        return None
    return render_template("analytics/not_for_you.html", urls=runtime().settings.public_urls), 403


@pages.get("/")
def dashboard() -> tuple[str, int]:
    """Today, the days of a range, their top tasks, and whether billing agrees."""
    with runtime().database.reading() as session:
        today = queries.current_day(session)
        wanted, period, fault = _asked_for(today)
        rows = queries.days(session, wanted)
        page = render_template(
            "analytics/dashboard.html",
            today=queries.today(session, today),
            wanted=wanted,
            days=rows,
            chart=bar_chart([(row.day, row.income_cents) for row in rows]),
            period=period,
            periods=_period_names(),
            tops=queries.top(session, wanted, period),
            below_zero=queries.below_zero(session, _BELOW_ZERO_LISTED),
            differences=queries.reconcile(session, business_now(session)),
            figures=_figure_names(),
            fault=fault,
        )
    return page, 422 if fault else 200


def _asked_for(today: date) -> tuple[Span, Period, str | None]:
    """What the query string asks for; with what is wrong in it, the usual instead."""
    sent = {name: value for name, value in request.args.items() if value}
    try:
        args: dict[str, Any] = TopArgs(unknown=EXCLUDE).load(sent)
        return span(args["first"], args["last"], today=today), args["period"], None
    except ValidationError:
        fault = _("These are no days that can be shown.")
    except InvalidRange as error:
        fault = translate(error.message)
    return span(None, None, today=today), Period.DAY, fault


def _period_names() -> dict[Period, str]:
    return {Period.DAY: _("By day"), Period.WEEK: _("By week"), Period.MONTH: _("By month")}


def _figure_names() -> dict[str, str]:
    return {
        reconciliation.FEES: _("Fees"),
        reconciliation.REWARDS: _("Rewards"),
        reconciliation.INCOME: _("Income"),
        reconciliation.NEGATIVE_ACCOUNTS: _("Accounts below zero"),
        reconciliation.BALANCE: _("Balance"),
    }
