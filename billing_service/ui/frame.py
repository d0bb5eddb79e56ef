"""What all pages share: the blueprint, the sections at the top, and reading what was sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, request, url_for
from flask_babel import gettext as _

from billing_service.domain.rights import may_see_all
from billing_service.errors import N_
from billing_service.routing import use_days
from chassis.errors import ServiceError
from chassis.i18n import translate
from chassis.identity import Role, principal_or_none

#: Who sees everybody's accounts, days and the management's income.
SEE_ALL = (Role.ACCOUNTANT, Role.ADMIN)
NO_AMOUNT = N_("Write dollars and cents, as in 12.50.")

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
            (_("All accounts"), ["list_accounts", "show_account", "post_correction"]),
            (_("Income"), ["show_income"]),
            (_("Business days"), ["list_days", "show_day", "confirm_close"]),
            (_("Prices"), ["show_rules", "change_rules"]),
        ]
    here = (request.endpoint or "").removeprefix("billing.")
    return {"sections": [Section(text, url_for(f"billing.{views[0]}"), here in views) for text, views in entries]}


def translated_errors(error: ServiceError | None) -> Mapping[str, Sequence[str]]:
    """Return what is wrong with which field, in the language of the page."""
    found = (error.errors if error else None) or {}
    return {field: [translate(text) for text in texts] for field, texts in found.items()}
