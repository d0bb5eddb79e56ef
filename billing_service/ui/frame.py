"""What all pages share: the blueprint, the places in the bar, and reading what was sent."""

from collections.abc import Mapping, Sequence

from flask import Blueprint

from billing_service.errors import N_
from billing_service.routing import use_days
from chassis.errors import ServiceError
from chassis.i18n import translate
from chassis.identity import Role
from chassis.places import Place

#: Who sees everybody's accounts, days and the management's income.
SEE_ALL = (Role.ACCOUNTANT, Role.ADMIN)
NO_AMOUNT = N_("Write dollars and cents, as in 12.50.")

pages = Blueprint(
    "billing", __name__, template_folder="../templates", static_folder="../static", static_url_path="/billing/static"
)
use_days(pages)


PLACES = (
    Place(N_("My account"), "billing.own_account"),
    Place(N_("Payouts"), "billing.list_payouts", also=("billing.show_letter",)),
    Place(
        N_("All accounts"),
        "billing.list_accounts",
        SEE_ALL,
        also=("billing.show_account", "billing.post_correction"),
    ),
    Place(N_("Income"), "billing.show_income", SEE_ALL),
    Place(N_("Business days"), "billing.list_days", SEE_ALL, also=("billing.show_day", "billing.confirm_close")),
    Place(N_("Prices"), "billing.show_rules", SEE_ALL, also=("billing.change_rules",)),
)


def translated_errors(error: ServiceError | None) -> Mapping[str, Sequence[str]]:
    """Return what is wrong with which field, in the language of the page."""
    found = (error.errors if error else None) or {}
    return {field: [translate(text) for text in texts] for field, texts in found.items()}
