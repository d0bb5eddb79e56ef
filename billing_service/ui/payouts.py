"""Payouts and the letters about them."""

from uuid import UUID

from flask import render_template, request
from flask.wrappers import Response

from billing_service import queries
from billing_service.config import BillingSettings
from billing_service.domain.rights import may_see_account, may_see_all
from billing_service.errors import NotYoursToSee, PayoutNotFound
from billing_service.mail import Letter, compose, file_name
from billing_service.queries import PayoutView
from billing_service.schemas import PayoutArgs
from billing_service.ui.frame import pages
from chassis.identity import current_principal, require_roles
from chassis.input.sent import load_query
from chassis.runtime import runtime


@pages.get("/payouts")
@require_roles()
def list_payouts() -> str:
    """The person's own payouts; for those who may, everybody's as well."""
    principal = current_principal()
    sees_all = may_see_all(principal.role)
    wanted = load_query(PayoutArgs)
    everybody = sees_all and request.args.get("whose") == "all"
    with runtime().database.reading() as session:
        payouts = queries.payouts(
            session,
            user_id=None if everybody else principal.user_id,
            day=wanted["day"],
            page=wanted["page"],
        )
    return render_template(
        "billing/payouts.html", payouts=payouts, sees_all=sees_all, everybody=everybody, shown=wanted["day"]
    )


@pages.get("/payouts/<uuid:payout_id>")
@require_roles()
def show_letter(payout_id: UUID) -> str:
    """A payout and the letter about it, as it is sent."""
    payout, letter = _letter(payout_id)
    message = letter and compose(letter, _settings().mail_from)
    return render_template("billing/letter.html", payout=payout, message=message)


@pages.get("/payouts/<uuid:payout_id>.eml")
@require_roles()
def download_letter(payout_id: UUID) -> Response:
    """The letter as a file that mail programs open."""
    _, letter = _letter(payout_id)
    if letter is None:
        raise PayoutNotFound
    return Response(
        compose(letter, _settings().mail_from).as_bytes(),
        content_type="message/rfc822",
        headers={"Content-Disposition": f'attachment; filename="{file_name(letter)}"'},
    )


def _letter(payout_id: UUID) -> tuple[PayoutView, Letter | None]:
    principal = current_principal()
    with runtime().database.reading() as session:
        payout, letter = queries.payout_letter(session, payout_id)
    if not may_see_account(payout.user_id, viewer_id=principal.user_id, role=principal.role):
        raise NotYoursToSee
    return payout, letter


def _settings() -> BillingSettings:
    settings = runtime().settings
    if not isinstance(settings, BillingSettings):
        raise TypeError("billing runs with billing's settings")
    return settings
