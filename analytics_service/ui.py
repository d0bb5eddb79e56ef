"""The dashboard. The same queries and the same reading of the query string as the API."""

from datetime import date

from flask import Blueprint, render_template
from flask_babel import gettext as _

from analytics_service import queries
from analytics_service.domain import reconciliation
from analytics_service.domain.calendar import Period, Span, span
from analytics_service.schemas import TopArgs
from chassis.business_clock import business_now
from chassis.chart import bar_chart
from chassis.errors import Invalid
from chassis.i18n import translate
from chassis.identity import current_principal, require_roles
from chassis.input.sent import load_query
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
    try:
        asked = load_query(TopArgs)
        return span(asked["first"], asked["last"], today=today), asked["period"], None
    except Invalid as error:
        return span(None, None, today=today), Period.DAY, translate(error.message)


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
