"""Payouts and the letters about them."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.wrappers import Response as FlaskResponse
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from billing_service import commands, queries
from billing_service.config import BillingSettings
from billing_service.domain.rights import may_see_account, may_see_all
from billing_service.errors import NotYoursToSee, PayoutNotFound
from billing_service.mail import Letter, compose, file_name
from billing_service.queries import PayoutView
from billing_service.schemas import PayoutArgs
from billing_service.ui.frame import SEE_ALL, pages
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
    return render_template(
        "billing/letter.html", payout=payout, message=message, may_send_again=may_see_all(current_principal().role)
    )


@pages.get("/payouts/<uuid:payout_id>.eml")
@require_roles()
def download_letter(payout_id: UUID) -> FlaskResponse:
    """The letter as a file that mail programs open."""
    letter = _letter(payout_id)[1]
    if letter is None:
        raise PayoutNotFound
    return FlaskResponse(
        compose(letter, _settings().mail_from).as_bytes(),
        content_type="message/rfc822",
        headers={"Content-Disposition": f'attachment; filename="{file_name(letter)}"'},
    )


@pages.post("/payouts/<uuid:payout_id>/letter")
@require_roles(*SEE_ALL)
def send_letter_again(payout_id: UUID) -> Response:
    """Send the letter once more; a second click on the button does no harm."""
    with runtime().database.transaction() as session:
        commands.send_letter_again(session, payout_id)
    flash(_("The letter will be sent again."))
    return redirect(url_for("billing.show_letter", payout_id=payout_id), 303)


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
