"""Showing one's beak, and leaving."""

from contextlib import suppress

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from auth_service import commands
from auth_service.api.limits import limits_refusals
from auth_service.api.photos import let_in
from auth_service.ui.blueprint import pages
from auth_service.ui.demo_parrots import demo_parrots, photo_of
from auth_service.ui.refusals import Refusal, refusal_of, refused
from chassis.errors import ServiceError, Unauthorized
from chassis.i18n import translate
from chassis.identity import current_principal, end_page_session, principal_or_none, start_page_session, why_signed_out
from chassis.people import Claims, Role
from chassis.runtime import runtime
from chassis.settings import DEFAULT_PORTS
from chassis.signin import local_path, session_cookie


@pages.get("/sign-in")
def show_sign_in() -> str | Response:
    """The sign-in page; who is signed in already goes on."""
    if principal_or_none() is not None:
        return redirect(local_path(request.args.get("next")))
    return _sign_in_page(request.args.get("next"))


@pages.post("/sign-in")
@limits_refusals
def sign_in() -> Response:
    """Let in whose beak is in the photo; a refusal says why and lets one try again."""
    try:
        entry, user = let_in(*_photo(), via="pages")
    except ServiceError as error:
        return refused(_sign_in_page(request.form.get("next"), refusal_of(error)), error)
    since = entry.signed_in_at
    start_page_session(Claims(user.id, user.name, Role(user.role), entry.id, issued_at=since, confirmed_at=since))
    return redirect(local_path(request.form.get("next")), 303)


@pages.get("/sign-out")
def show_sign_out() -> str | Response:
    """Where the other services send who signed out there.

    A link on somebody else's page must not sign people out, so only our own pages are taken at their word. They are
    on other ports, which to a browser are the same site.
    """
    if request.headers.get("Sec-Fetch-Site") in ("same-origin", "same-site") or principal_or_none() is None:
        return sign_out()
    return render_template("auth/sign_out.html")


@pages.post("/sign-out")
def sign_out() -> Response:
    """End the session here and in the other services."""
    with suppress(Unauthorized):  # it had ended before
        session_id = current_principal().session_id
        with runtime().database.transaction() as transaction:
            commands.sign_out(transaction, session_id)
    end_page_session()
    flash(_("You are signed out. Fly safely!"))
    response = redirect(url_for("auth.show_sign_in"), 303)
    # Cookies are not kept apart by port, so where the services share a host their sessions can be ended from here.
    for service in DEFAULT_PORTS:
        if service != "auth":
            response.delete_cookie(session_cookie(service))
    return response


def _photo() -> tuple[bytes, str]:
    """The file that was chosen, the photo just taken, or that of the parrot that was clicked on. Raises NoPhoto."""
    for name in ("photo", "camera"):
        file = request.files.get(name)
        if file is not None and file.filename:
            return file.read(), file.mimetype
    return photo_of(request.form.get("parrot", "")), "image/png"


def _sign_in_page(back: str | None, refusal: Refusal | None = None) -> str:
    return render_template(
        "auth/sign_in.html",
        back=local_path(back),
        refusal=refusal,
        why_signed_out=translate(why_signed_out() or ""),
        parrots=demo_parrots(),
    )
