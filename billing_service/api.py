"""The REST API of billing, under /api/v1."""

from dataclasses import asdict
from datetime import date
from typing import Any
from uuid import UUID

from billing_service import commands, queries
from billing_service.domain.period import period
from billing_service.domain.pricing import PricingRules
from billing_service.domain.rights import may_see_account, may_see_all
from billing_service.errors import AccountNotFound, NotYoursToSee
from billing_service.jobs import close_days_up_to
from billing_service.models import Day
from billing_service.queries import AccountView, DayReport, EntryView, IncomeOfDay, PayoutView, ReportLine
from billing_service.queries.reports import LINES
from billing_service.routing import use_days
from billing_service.schemas import (
    AccountSchema,
    CloseArgs,
    CorrectionSchema,
    DayReportSchema,
    DaySchema,
    EntryArgs,
    EntrySchema,
    IncomeSchema,
    PayoutArgs,
    PayoutSchema,
    PeriodArgs,
    PostedCorrectionSchema,
    PriceArgs,
    PriceSchema,
    PricingRulesSchema,
    ReportLineSchema,
    SummarySchema,
)
from chassis.idempotency import KeySchema
from chassis.identity import Role, current_principal, require_roles
from chassis.input.bodies import Blueprint
from chassis.lists import lists
from chassis.paging import Page, PageArgs, PageRequest
from chassis.runtime import runtime

_SEE_ALL = (Role.ACCOUNTANT, Role.ADMIN)

accounts = Blueprint("accounts", __name__, url_prefix="/api/v1/accounts", description="Balances and logs")
prices = Blueprint("prices", __name__, url_prefix="/api/v1", description="What tasks cost and earn")
days = Blueprint("days", __name__, url_prefix="/api/v1", description="Business days, income and payouts")

use_days(days)

BLUEPRINTS = (accounts, prices, days)


@accounts.get("")
@require_roles(*_SEE_ALL)
@accounts.arguments(PageArgs, location="query")
@lists(accounts, AccountSchema)
def list_accounts(args: dict[str, Any]) -> Page[AccountView]:
    """Everybody's accounts; for accountants and administrators"""
    with runtime().database.reading() as session:
        return queries.accounts(session, day=queries.current_day(session), page=args["page"])


@accounts.get("/me")
@require_roles()
@accounts.response(200, AccountSchema)
def own_account() -> AccountView:
    """One's own account"""
    return _account(current_principal().user_id)


@accounts.get("/<uuid:user_id>")
@require_roles()
@accounts.response(200, AccountSchema)
def get_account(user_id: UUID) -> AccountView:
    """Somebody's account: one's own, or for accountants and administrators anybody's"""
    return _account(user_id)


@accounts.get("/me/entries")
@require_roles()
@accounts.arguments(EntryArgs, location="query")
@lists(accounts, EntrySchema)
def own_entries(args: dict[str, Any]) -> Page[EntryView]:
    """One's own log of a day, the latest movement first"""
    return _entries(current_principal().user_id, args)


@accounts.get("/<uuid:user_id>/entries")
@require_roles()
@accounts.arguments(EntryArgs, location="query")
@lists(accounts, EntrySchema)
def get_entries(args: dict[str, Any], user_id: UUID) -> Page[EntryView]:
    """Somebody's log of a day: one's own, or for accountants and administrators anybody's"""
    return _entries(user_id, args)


@accounts.post("/<uuid:user_id>/corrections")
@require_roles(Role.ADMIN)
@accounts.arguments(CorrectionSchema)
@accounts.arguments(KeySchema, location="headers", unknown="exclude")
@accounts.response(201, PostedCorrectionSchema)
def post_correction(correction: dict[str, Any], header: dict[str, Any], user_id: UUID) -> dict[str, UUID]:
    """Correct a balance by a new movement; for administrators"""
    with runtime().database.transaction() as session:
        books = commands.open_books(session)
        made_by = current_principal().user_id
        return {"id": commands.post_correction(session, books, user_id=user_id, by=made_by, **correction, **header)}


@prices.get("/prices")
@require_roles()
@prices.arguments(PriceArgs, location="query")
@lists(prices, PriceSchema)
def get_prices(args: dict[str, Any]) -> Page[Any]:
    """The prices of certain tasks, as far as they have any"""
    with runtime().database.reading() as session:
        return Page(list(queries.prices(session, args["task_ids"])))


@prices.get("/pricing-rules")
@require_roles()
@prices.response(200, PricingRulesSchema)
def get_pricing_rules() -> PricingRules:
    """The ranges that prices are drawn from"""
    with runtime().database.reading() as session:
        return queries.pricing_rules(session)


@prices.put("/pricing-rules")
@require_roles(Role.ADMIN)
@prices.arguments(PricingRulesSchema)
@prices.response(200, PricingRulesSchema)
def put_pricing_rules(ranges: dict[str, int]) -> PricingRules:
    """Change the ranges for tasks yet to come; for administrators"""
    rules = PricingRules(**ranges)
    with runtime().database.transaction() as session:
        commands.set_pricing_rules(session, rules, by=current_principal().user_id)
    return rules


@days.get("/income")
@require_roles(*_SEE_ALL)
@days.arguments(PeriodArgs, location="query")
@lists(days, IncomeSchema)
def get_income(args: dict[str, Any]) -> Page[IncomeOfDay]:
    """The management's income by day, up to 31 days; for accountants and administrators"""
    with runtime().database.reading() as session:
        return Page(queries.income(session, *period(**args, today=queries.current_day(session))))


@days.get("/days")
@require_roles(*_SEE_ALL)
@days.arguments(PageArgs, location="query")
@lists(days, DaySchema)
def list_days(args: dict[str, Any]) -> Page[Day]:
    """All business days, the latest first; for accountants and administrators"""
    with runtime().database.reading() as session:
        return queries.days(session, page=args["page"])


@days.get("/days/<day:day>")
@require_roles(*_SEE_ALL)
@days.response(200, DayReportSchema)
def get_day(day: date) -> dict[str, Any]:
    """The financial report of a day; for accountants and administrators"""
    return _report(day)


@days.get("/days/<day:day>/statements")
@require_roles(*_SEE_ALL)
@days.arguments(PageArgs, location="query")
@lists(days, ReportLineSchema)
def list_statements(args: dict[str, Any], day: date) -> Page[dict[str, Any]]:
    """The lines of a day's report, in the order in which accounts were opened; for accountants and administrators"""
    with runtime().database.reading() as session:
        return queries.statements(session, day, page=args["page"]).map(_line)


@days.post("/days/<day:day>/close")
@require_roles(Role.ADMIN)
@days.arguments(CloseArgs, location="query")
@days.response(200, DayReportSchema)
def close_day(args: dict[str, Any], day: date) -> dict[str, Any]:
    """Close the day and all before it; for administrators

    Today may be closed early: what is posted afterwards belongs to tomorrow. The same answer when repeated.
    More than three days at once are refused (409) until `from` confirms them.
    """
    close_days_up_to(runtime().database, day, **args)
    return _report(day)


@days.get("/payouts")
@require_roles()
@days.arguments(PayoutArgs, location="query")
@lists(days, PayoutSchema)
def list_payouts(args: dict[str, Any]) -> Page[PayoutView]:
    """Payouts, the latest first: one's own, or for accountants and administrators everybody's"""
    principal = current_principal()
    user_id: UUID | None = args["user_id"]
    if user_id is None and not may_see_all(principal.role):
        user_id = principal.user_id
    if user_id is not None:
        _check_may_see(user_id)
    with runtime().database.reading() as session:
        return queries.payouts(session, user_id=user_id, day=args["day"], page=args["page"])


@days.post("/payouts/<uuid:payout_id>/letter")
@require_roles(*_SEE_ALL)
@days.response(202, PayoutSchema)
def send_letter_again(payout_id: UUID) -> PayoutView:
    """Send the letter about a payout again; for accountants and administrators"""
    with runtime().database.transaction() as session:
        commands.send_letter_again(session, payout_id)
        payout, _ = queries.payout_letter(session, payout_id)
    return payout


@days.get("/summary")
@require_roles()
@days.response(200, SummarySchema)
def get_summary() -> dict[str, Any]:
    """One's own account; for accountants and administrators also the whole in a few numbers"""
    principal = current_principal()
    with runtime().database.reading() as session:
        try:
            account = queries.account(session, principal.user_id, day=queries.current_day(session))
        except AccountNotFound:
            account = None
        found: dict[str, Any] = {"account": account}
        if may_see_all(principal.role):
            found["books"] = queries.books(session)
    return found


def _account(user_id: UUID) -> AccountView:
    _check_may_see(user_id)
    with runtime().database.reading() as session:
        return queries.account(session, user_id, day=queries.current_day(session))


def _entries(user_id: UUID, args: dict[str, Any]) -> Page[EntryView]:
    _check_may_see(user_id)
    with runtime().database.reading() as session:
        return queries.entries(session, user_id, day=queries.day_of_log(session, **args), page=args["page"])


def _check_may_see(user_id: UUID) -> None:
    principal = current_principal()
    if not may_see_account(user_id, viewer_id=principal.user_id, role=principal.role):
        raise NotYoursToSee


def _report(day: date) -> dict[str, Any]:
    with runtime().database.reading() as session:
        report: DayReport = queries.day_report(session, day, page=PageRequest(LINES).about({"day": day}))
    return {
        "day": report.day,
        "status": report.status,
        "closed_at": report.closed_at,
        "accounts": [_line(line) for line in report.lines],
        "totals": report.totals,
        "next_cursor": report.next_cursor,
    }


def _line(line: ReportLine) -> dict[str, Any]:
    amounts = asdict(line.movements) | {"closing_cents": line.movements.closing_cents}
    return {"user_id": line.user_id, "name": line.name, **amounts}
