"""User management for administrators."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from auth_service import commands, queries
from auth_service.domain.permissions import permissions_of
from auth_service.errors import NoPhoto
from auth_service.schemas import UserArgs
from auth_service.ui.blueprint import pages
from auth_service.ui.refusals import Refusal, refusal_of, refused
from chassis.errors import Conflict, Invalid, ServiceError
from chassis.identity import current_principal, require_roles
from chassis.input.sent import load_query
from chassis.input.text import isolated
from chassis.paging import PageRequest
from chassis.people import ACTIVE, ROLES, Role
from chassis.runtime import runtime

_SIGN_INS_OF_ONE = 5


@pages.get("/users")
@require_roles(Role.ADMIN)
def list_users() -> str:
    """Everybody, or those of a role and status."""
    wanted = load_query(UserArgs)
    with runtime().database.reading() as session:
        users = queries.users(session, **wanted)
    return render_template("auth/users.html", users=users, roles=ROLES, role=wanted["role"], status=wanted["status"])


@pages.get("/users/new")
@require_roles(Role.ADMIN)
def new_user() -> str:
    """The form for somebody new."""
    return _new_user_page()


@pages.post("/users")
@require_roles(Role.ADMIN)
def create_user() -> Response:
    """Register somebody, with the beak if there is a photo: both or neither."""
    photo = _chosen_photo()
    try:
        descriptor = None if photo is None else commands.look_at(photo.read(), photo.mimetype)
        with runtime().database.transaction() as session:
            user = commands.create_user(session, name=_field("name"), email=_field("email"), role=_field("role"))
            if descriptor is not None:
                commands.enrol_beak(session, commands.tools().beaks, user.id, descriptor)
    except ServiceError as error:
        return refused(_new_user_page(refusal_of(error)), error)
    flash(_("%(name)s is one of us now.", name=isolated(user.name)))
    return redirect(url_for("auth.show_user", user_id=user.id), 303)


@pages.get("/users/<uuid:user_id>")
@require_roles(Role.ADMIN)
def show_user(user_id: UUID) -> str:
    """One user, with everything that can be changed."""
    return _user_page(user_id)


@pages.post("/users/<uuid:user_id>")
@require_roles(Role.ADMIN)
def update_user(user_id: UUID) -> tuple[str, int] | Response:
    """Change name, e-mail and role."""
    try:
        with runtime().database.transaction() as session:
            commands.update_user(session, user_id, name=_field("name"), email=_field("email"), role=_field("role"))
    except (Invalid, Conflict) as error:
        return _user_page(user_id, refusal_of(error)), error.status
    flash(_("Saved."))
    return _to_user(user_id)


@pages.get("/users/<uuid:user_id>/beak")
@require_roles(Role.ADMIN)
def show_beak_form(user_id: UUID) -> Response:
    """Lead to the page with the form: a refusal leaves this address in the browser."""
    return redirect(url_for("auth.show_user", user_id=user_id))


@pages.post("/users/<uuid:user_id>/beak")
@require_roles(Role.ADMIN)
def enrol_beak(user_id: UUID) -> Response:
    """Make the beak in the photo the user's."""
    photo = _chosen_photo()
    try:
        if photo is None:
            raise NoPhoto
        descriptor = commands.look_at(photo.read(), photo.mimetype)
        with runtime().database.transaction() as session:
            commands.enrol_beak(session, commands.tools().beaks, user_id, descriptor)
    except ServiceError as error:
        return refused(_user_page(user_id, beak_refusal=refusal_of(error)), error)
    flash(_("This beak opens the door from now on."))
    return _to_user(user_id)


@pages.post("/users/<uuid:user_id>/block")
@require_roles(Role.ADMIN)
def block_user(user_id: UUID) -> Response:
    """Shut a user out of everything."""
    try:
        with runtime().database.transaction() as session:
            user = commands.block_user(session, user_id)
    except Conflict as error:
        flash(refusal_of(error).detail, "bad")
    else:
        flash(_("%(name)s is blocked.", name=isolated(user.name)))
    return _to_user(user_id)


@pages.post("/users/<uuid:user_id>/unblock")
@require_roles(Role.ADMIN)
def unblock_user(user_id: UUID) -> Response:
    """Let a blocked user in again."""
    with runtime().database.transaction() as session:
        user = commands.unblock_user(session, user_id)
    flash(_("%(name)s is unblocked.", name=isolated(user.name)))
    return _to_user(user_id)


def _new_user_page(refusal: Refusal | None = None) -> str:
    return render_template("auth/new_user.html", form=request.form, roles=ROLES, refusal=refusal)


def _user_page(user_id: UUID, refusal: Refusal | None = None, *, beak_refusal: Refusal | None = None) -> str:
    with runtime().database.reading() as session:
        user = queries.user(session, user_id)
        sign_ins = queries.sign_ins(session, page=PageRequest(_SIGN_INS_OF_ONE), user_id=user_id)
        has_beak = queries.has_beak(session, user_id)
    stored = {"name": user.name, "email": user.email, "role": user.role}
    return render_template(
        "auth/user.html",
        user=user,
        form=request.form if refusal else stored,
        roles=ROLES,
        permissions=_permissions(user.role, active=user.status == ACTIVE),
        has_beak=has_beak,
        sign_ins=sign_ins,
        oneself=user_id == current_principal().user_id,
        refusal=refusal,
        beak_refusal=beak_refusal,
    )


def _permissions(role: str, *, active: bool) -> dict[str, str]:
    """Return what the role may do, in words."""
    names = {
        "accounts.read_all": _("see all accounts"),
        "accounts.read_own": _("see one's own account"),
        "analytics.read": _("see the analytics"),
        "days.close": _("close business days"),
        "days.read": _("see business days and their reports"),
        "income.read": _("see the management's income"),
        "messages.manage": _("replay and discard dead letters"),
        "pricing_rules.write": _("change the ranges of prices"),
        "sign_ins.read": _("see all sign-ins"),
        "tasks.complete_own": _("complete one's own tasks"),
        "tasks.create": _("create tasks"),
        "tasks.list_all": _("see all tasks"),
        "tasks.read": _("read tasks"),
        "tasks.reassign": _("reassign all open tasks"),
        "users.read": _("see users"),
        "users.write": _("register, change and block users"),
    }
    return {permission: names[permission] for permission in permissions_of(role, active=active)}


def _to_user(user_id: UUID) -> Response:
    return redirect(url_for("auth.show_user", user_id=user_id), 303)


def _chosen_photo() -> FileStorage | None:
    photo = request.files.get("photo")
    return photo if photo is not None and photo.filename else None


def _field(name: str) -> str:
    return request.form.get(name, "")
