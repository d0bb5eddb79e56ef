"""The rules that prices are drawn by."""

from dataclasses import asdict

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from billing_service import commands, queries
from billing_service.domain.pricing import PricingRules
from billing_service.errors import InvalidPricingRules
from billing_service.ui.frame import NO_AMOUNT, SEE_ALL, pages, translated_errors
from chassis.identity import Role, current_principal, require_roles
from chassis.input.amounts import cents_of, dollars
from chassis.runtime import runtime


@pages.get("/prices")
@require_roles(*SEE_ALL)
def show_rules() -> str:
    """The ranges, and for administrators the form to change them."""
    return _rules()


@pages.post("/prices")
@require_roles(Role.ADMIN)
def change_rules() -> tuple[str, int] | Response:
    """Change the ranges; with its faults, the form comes back as it was filled in."""
    try:
        rules = _sent()
        with runtime().database.transaction() as session:
            commands.set_pricing_rules(session, rules, by=current_principal().user_id)
    except InvalidPricingRules as error:
        return _rules(error), error.status
    flash(_("Saved. Tasks that have their prices keep them."))
    return redirect(url_for("billing.show_rules"), 303)


def _sent() -> PricingRules:
    cents, errors = {}, {}
    for name in PricingRules.__dataclass_fields__:
        amount = cents_of(request.form.get(name, ""))
        if amount is None:
            errors[name] = [NO_AMOUNT]
        else:
            cents[name] = amount
    if errors:
        raise InvalidPricingRules(errors)
    return PricingRules(**cents)


def _rules(refusal: InvalidPricingRules | None = None) -> str:
    with runtime().database.reading() as session:
        rules = queries.pricing_rules(session)
    return render_template(
        "billing/rules.html",
        rules=rules,
        form=request.form if refusal else {name: dollars(cents) for name, cents in asdict(rules).items()},
        may_change=current_principal().role is Role.ADMIN,
        errors=translated_errors(refusal),
    )
