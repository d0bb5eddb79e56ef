"""The audit of sign-ins: who came and went, and who was not let in."""

from flask import render_template
from flask_babel import gettext as _

from auth_service import queries
from auth_service.schemas import SignInArgs
from auth_service.ui.blueprint import pages
from chassis.identity import require_roles
from chassis.input.sent import load_query
from chassis.paging import PageArgs
from chassis.people import Role
from chassis.runtime import runtime


@pages.get("/sign-ins")
@require_roles(Role.ADMIN)
def list_sign_ins() -> str:
    """The audit: who came and went."""
    with runtime().database.reading() as session:
        sign_ins = queries.sign_ins(session, **load_query(SignInArgs))
    return render_template("auth/sign_ins.html", sign_ins=sign_ins)


@pages.get("/sign-ins/refused")
@require_roles(Role.ADMIN)
def list_refused_sign_ins() -> str:
    """The audit: who was not let in, and why."""
    with runtime().database.reading() as session:
        refusals = queries.refused_sign_ins(session, **load_query(PageArgs))
    return render_template("auth/refused_sign_ins.html", refusals=refusals, reasons=reason_names())


def reason_names() -> dict[str, str]:
    """Return what to call each kind of refusal to somebody who was not the one refused."""
    return {
        "unknown-beak": _("Unknown beak"),
        "ambiguous-beak": _("The beak is like those of several parrots"),
        "user-is-blocked": _("The user is blocked"),
        "no-photo": _("There is no photo"),
        "unsupported-photo": _("Neither PNG nor JPEG"),
        "photo-too-large": _("The photo is too large"),
        "not-a-picture": _("No picture, or a damaged one"),
        "moving-picture": _("An animation"),
        "too-much-work": _("The photo takes too much work"),
        "no-beak-visible": _("No beak can be seen"),
        "beak-too-small": _("The beak is too small"),
        "beak-cut-off": _("The beak is cut off"),
        "photo-blurred": _("The photo is blurred"),
        "several-beaks": _("More than one beak"),
    }
