"""The first page after the sign-in: the person's numbers in each service, and what needs somebody."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from flask import render_template, url_for
from flask_babel import format_decimal
from flask_babel import gettext as _

from auth_service import commands, queries
from auth_service.commands.toolbox import TELLING
from auth_service.ui.blueprint import pages
from auth_service.ui.tokens import token_of
from chassis import neighbours
from chassis.i18n import format_day, format_moment, format_money
from chassis.identity import Principal, current_principal, require_roles
from chassis.navigation import operations_link
from chassis.people import BLOCKED, Role
from chassis.runtime import runtime

Summary = dict[str, Any]

#: Where a service tells its numbers to the holder of a token.
SUMMARY_PATH = "/api/v1/summary"


@dataclass(frozen=True)
class Figure:
    """A number, and the page where it comes from."""

    name: str
    value: str
    url: str
    #: Whether it is waiting for a person.
    urgent: bool = False


@dataclass(frozen=True)
class Card:
    """A service, as it is offered to a person."""

    title: str
    text: str
    url: str
    figures: list[Figure]
    #: Whether it ought to have told its numbers, and did not.
    silent: bool = False


@pages.get("/")
@require_roles()
def home() -> str:
    """The services that are open to the person's role, with what they say."""
    principal = current_principal()
    if principal.role is Role.ADMIN:
        runtime().dead_letter_counts.begin()
    told = _summaries(principal)
    cards = [_tasks(principal.role, told["tracker"]), _accounts(principal.role, told["billing"])]
    if principal.role is Role.ADMIN:
        cards += [_analytics(), _users(), _operations()]
    urgent = [figure for card in cards for figure in card.figures if figure.urgent]
    return render_template("auth/home.html", cards=cards, urgent=urgent)


def _summaries(principal: Principal) -> dict[str, Summary | None]:
    """Ask each service in the name of the person: with a token of their session, as they could themselves."""
    token = token_of(principal)
    urls = runtime().settings.internal_urls
    ask: dict[str, Callable[[], Summary]] = {
        service: partial(neighbours.ask_service, urls[service] + SUMMARY_PATH, token) for service in TELLING
    }
    return commands.tools().summaries.latest(ask, (principal.user_id, principal.role))


def _tasks(role: Role, told: Summary | None) -> Card:
    url = runtime().settings.public_urls["tracker"]
    oversees = role in (Role.MANAGER, Role.ADMIN)
    text = _("All open tasks, and the button that reassigns them.") if oversees else _("What you have to do.")
    figures = _understood(told, _figures_of_all_tasks if oversees else _figures_of_own_tasks, url)
    return Card(_("Tasks"), text, f"{url}/", figures or [], silent=figures is None)


def _figures_of_own_tasks(told: Summary, url: str) -> list[Figure]:
    return [Figure(_("Open tasks"), format_decimal(told["own_open_tasks"]), f"{url}/")]


def _figures_of_all_tasks(told: Summary, url: str) -> list[Figure]:
    figures = [Figure(_("All open tasks"), format_decimal(told["open_tasks"]), f"{url}/tasks?status=open")]
    run = told["latest_reassignment"]
    if run is not None:
        at = format_moment(datetime.fromisoformat(run["started_at"]), "short")
        figures.append(Figure(_("Latest reassignment"), at, f"{url}/reassignments/{run['id']}"))
    return figures


def _accounts(role: Role, told: Summary | None) -> Card:
    url = runtime().settings.public_urls["billing"]
    sees_all = role in (Role.ACCOUNTANT, Role.ADMIN)
    text = (
        _("All balances, the income of the management, business days and payouts.")
        if sees_all
        else _("Your balance and every movement of it.")
    )
    figures = _understood(told, _figures_of_all_accounts if sees_all else _figures_of_own_account, url)
    return Card(_("Accounts"), text, f"{url}/", figures or [], silent=figures is None)


def _figures_of_own_account(told: Summary, url: str) -> list[Figure]:
    account = told["account"]
    if account is None:
        return []
    return [
        Figure(_("Balance"), format_money(account["balance_cents"]), f"{url}/"),
        Figure(_("Earned today"), format_money(account["today"]["rewards_cents"]), f"{url}/"),
    ]


def _figures_of_all_accounts(told: Summary, url: str) -> list[Figure]:
    books = told["books"]
    to_close, letters, first = books["days_to_close"], books["letters_in_trouble"], books["first_open_day"]
    payouts = f"{url}/payouts?whose=all"
    return [
        *_figures_of_own_account(told, url),
        Figure(_("Income today"), format_money(books["income_today_cents"]), f"{url}/income"),
        Figure(_("First open day"), format_day(date.fromisoformat(first)), f"{url}/days/{first}"),
        Figure(_("Days over and not closed"), format_decimal(to_close), f"{url}/days", urgent=to_close > 0),
        Figure(_("Letters that need attention"), format_decimal(letters), payouts, urgent=letters > 0),
    ]


def _understood(told: Summary | None, make: Callable[[Summary, str], list[Figure]], url: str) -> list[Figure] | None:
    """Make figures of what a service told; None if it told nothing, or nothing that is understood: it may be older."""
    try:
        return None if told is None else make(told, url)
    except (KeyError, TypeError, ValueError):
        return None


def _analytics() -> Card:
    url = runtime().settings.public_urls["analytics"]
    return Card(_("Analytics"), _("What the management earns, and the most expensive tasks."), f"{url}/", [])


def _users() -> Card:
    with runtime().database.reading() as session:
        blocked = queries.count_users(session, status=BLOCKED)
    figure = Figure(_("Blocked users"), format_decimal(blocked), url_for("auth.list_users", status=BLOCKED))
    return Card(_("Users"), _("All users, and what each of them may do."), url_for("auth.list_users"), [figure])


def _operations() -> Card:
    link = operations_link()
    text = _("How the services fare, what they tell each other, and what could not be handled.")
    if link.badge is None:
        figure = Figure(_("Dead letters"), "0", link.url)
    else:
        figure = Figure(_("Dead letters"), link.badge.text, link.url, urgent=True)
    return Card(link.text, text, link.url, [figure])
