"""Accounts and their logs, day by day."""

from datetime import timedelta
from uuid import UUID, uuid4

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from billing_service import commands, queries
from billing_service.domain.rights import may_see_account
from billing_service.errors import AccountNotFound, InvalidCorrection, NotYoursToSee
from billing_service.schemas import EntryArgs
from billing_service.ui.frame import NO_AMOUNT, SEE_ALL, pages, translated_errors
from chassis.i18n import format_money
from chassis.identity import Role, current_principal, require_roles
from chassis.input.amounts import cents_of
from chassis.input.days import FIRST_DAY
from chassis.input.sent import load_query
from chassis.paging import PageArgs
from chassis.runtime import runtime

_DAY = timedelta(days=1)


@pages.get("/")
@require_roles()
def own_account() -> str:
    """The person's own balance and log of a day."""
    try:
        return _account(current_principal().user_id)
    except AccountNotFound:
        return render_template("billing/no_account.html")


@pages.get("/accounts")
@require_roles(*SEE_ALL)
def list_accounts() -> str:
    """Everybody's accounts."""
    with runtime().database.reading() as session:
        today = queries.current_day(session)
        accounts = queries.accounts(session, day=today, page=load_query(PageArgs)["page"])
    return render_template("billing/accounts.html", accounts=accounts, today=today)


@pages.get("/accounts/<uuid:user_id>")
@require_roles()
def show_account(user_id: UUID) -> str:
    """Somebody's balance and log of a day."""
    return _account(user_id)


@pages.get("/accounts/<uuid:user_id>/corrections")
@require_roles()
def show_correction_form(user_id: UUID) -> Response:
    """Lead to the page with the form: a refusal leaves this address in the browser."""
    return redirect(url_for("billing.show_account", user_id=user_id))


@pages.post("/accounts/<uuid:user_id>/corrections")
@require_roles(Role.ADMIN)
def post_correction(user_id: UUID) -> tuple[str, int] | Response:
    """Correct a balance; with its faults, the form comes back as it was filled in."""
    try:
        amount_cents = _sent_amount()
        with runtime().database.transaction() as session:
            commands.post_correction(
                session,
                commands.open_books(session),
                user_id=user_id,
                amount_cents=amount_cents,
                note=request.form.get("note", ""),
                by=current_principal().user_id,
                key=request.form.get("key") or None,
            )
    except InvalidCorrection as error:
        return _account(user_id, error), error.status
    flash(_("Posted: %(amount)s.", amount=format_money(amount_cents)))
    return redirect(url_for("billing.show_account", user_id=user_id), 303)


def _account(user_id: UUID, refusal: InvalidCorrection | None = None) -> str:
    principal = current_principal()
    if not may_see_account(user_id, viewer_id=principal.user_id, role=principal.role):
        raise NotYoursToSee
    wanted = load_query(EntryArgs)
    with runtime().database.reading() as session:
        today = queries.current_day(session)
        shown = queries.day_of_log(session, **wanted)
        account = queries.account(session, user_id, day=today)
        log = queries.entries(session, user_id, day=shown, page=wanted["page"])
    return render_template(
        "billing/account.html",
        account=account,
        log=log,
        own=user_id == principal.user_id,
        may_correct=principal.role is Role.ADMIN,
        shown=shown,
        today=today,
        before=shown - _DAY if shown > FIRST_DAY else None,
        after=shown + _DAY if shown < today else None,
        form=request.form,
        form_key=uuid4(),
        errors=translated_errors(refusal),
    )


def _sent_amount() -> int:
    amount_cents = cents_of(request.form.get("amount", ""))
    if amount_cents is None:
        raise InvalidCorrection({"amount_cents": [NO_AMOUNT]})
    return amount_cents
