"""What all pages share: the blueprint, the sections at the top, and reading what was sent."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import Blueprint, request, url_for
from flask_babel import gettext as _

from billing_service import queries
from billing_service.domain.rights import may_see_all
from billing_service.errors import N_, BadPeriod
from billing_service.routing import use_days
from chassis.errors import ServiceError
from chassis.i18n import translate
from chassis.identity import Role, principal_or_none
from chassis.paging import PageRequest
from chassis.runtime import runtime

#: Who sees everybody's accounts, days and the management's income.
SEE_ALL = (Role.ACCOUNTANT, Role.ADMIN)
NO_AMOUNT = N_("Write dollars and cents, as 12.50.")
_ROWS_ON_A_PAGE = 50
_AMOUNT = re.compile(r"(?P<minus>-?)\$?(?P<dollars>[0-9]{1,9})(\.(?P<cents>[0-9]{1,2}))?")

pages = Blueprint(
    "billing", __name__, template_folder="../templates", static_folder="../static", static_url_path="/billing/static"
)
use_days(pages)


@dataclass(frozen=True)
class Section:
    """A link at the top of the page."""

    text: str
    url: str
    here: bool


@pages.context_processor
def sections() -> dict[str, Any]:
    """The sections that the person who is signed in may visit."""
    principal = principal_or_none()
    if principal is None:
        return {"sections": []}
    entries = [
        (_("My account"), ["own_account"]),
        (_("Payouts"), ["list_payouts", "show_letter"]),
    ]
    if may_see_all(principal.role):
        entries += [
            (_("Everybody"), ["list_accounts", "show_account", "post_correction"]),
            (_("Income"), ["show_income"]),
            (_("Days"), ["list_days", "show_day", "confirm_close"]),
            (_("Prices"), ["show_rules", "change_rules"]),
        ]
    here = (request.endpoint or "").removeprefix("billing.")
    return {"sections": [Section(text, url_for(f"billing.{views[0]}"), here in views) for text, views in entries]}


def wanted_page() -> PageRequest:
    """Return which part of a list the address asks for."""
    return PageRequest(_ROWS_ON_A_PAGE, request.args.get("cursor"))


def wanted_day(name: str = "day") -> date | None:
    """Return the day that the address asks for. Raises BadPeriod for what is no day."""
    sent = request.args.get(name)
    if not sent:
        return None
    try:
        return date.fromisoformat(sent)
    except ValueError as error:
        raise BadPeriod(N_("This is no day.")) from error


def current_day() -> date:
    """Return the day to which movements made now belong."""
    with runtime().database.reading() as session:
        return queries.current_day(session)


def translated_errors(error: ServiceError | None) -> Mapping[str, Sequence[str]]:
    """Return what is wrong with which field, in the language of the page."""
    found = (error.errors if error else None) or {}
    return {field: [translate(text) for text in texts] for field, texts in found.items()}


def cents_of(written: str) -> int | None:
    """Read an amount as people write it, `12.5` or `−$12,50`; None for what is no amount."""
    match = _AMOUNT.fullmatch(written.strip().replace("−", "-").replace(",", "."))
    if match is None:
        return None
    cents = int(match["dollars"]) * 100 + int((match["cents"] or "").ljust(2, "0"))
    return -cents if match["minus"] else cents


def dollars(cents: int) -> str:
    """Write an amount for a field of a form, where `cents_of` reads it: 1250 is `12.50`."""
    return f"{cents // 100}.{cents % 100:02}"
