"""REST about users, under /api/v1/users."""

from typing import Any
from uuid import UUID

from flask import url_for
from sqlalchemy.orm import Session

from auth_service import commands, queries
from auth_service.api.photos import PHOTO, sent_photo
from auth_service.domain.permissions import permissions_of
from auth_service.models import RequestKey, User
from auth_service.schemas import (
    NewUserSchema,
    PermissionsSchema,
    RandomArgs,
    UserArgs,
    UserChangesSchema,
    UserSchema,
)
from chassis.idempotency import creates
from chassis.identity import require_roles
from chassis.input.bodies import Blueprint
from chassis.lists import lists
from chassis.paging import Page
from chassis.people import ACTIVE, Role
from chassis.runtime import runtime

users = Blueprint("users", __name__, url_prefix="/api/v1/users", description="Who there is, and what they may do")


@users.get("")
@require_roles()
@users.arguments(UserArgs, location="query")
@lists(users, UserSchema)
def list_users(args: dict[str, Any]) -> Page[User]:
    """Everybody, or those of a role or status; who came first stands first"""
    with runtime().database.reading() as session:
        return queries.users(session, **args)


@users.post("")
@require_roles(Role.ADMIN)
@users.arguments(NewUserSchema)
@users.alt_response(409, description="Another user has this e-mail address")
@creates(users, RequestKey, UserSchema)
def create_user(session: Session, words: dict[str, Any]) -> tuple[User, str]:
    """Register somebody; the beak is enrolled afterwards"""
    user = commands.create_user(session, **words)
    return user, url_for("users.get_user", user_id=user.id)


@users.get("/random")
@require_roles()
@users.arguments(RandomArgs, location="query")
@users.response(200, UserSchema)
@users.alt_response(404, description="Nobody active has one of these roles")
def get_random_user(args: dict[str, Any]) -> User:
    """Draw an active user among these roles"""
    with runtime().database.reading() as session:
        return queries.random_user(session, args["role"])


@users.get("/<uuid:user_id>")
@require_roles()
@users.response(200, UserSchema)
def get_user(user_id: UUID) -> User:
    """One user"""
    with runtime().database.reading() as session:
        return queries.user(session, user_id)


@users.patch("/<uuid:user_id>")
@require_roles(Role.ADMIN)
@users.arguments(UserChangesSchema)
@users.response(200, UserSchema)
@users.alt_response(409, description="The e-mail address is taken, or this is the last active administrator")
def update_user(changes: dict[str, Any], user_id: UUID) -> User:
    """Change name, e-mail or role"""
    with runtime().database.transaction() as session:
        return commands.update_user(session, user_id, **changes)


@users.put("/<uuid:user_id>/beak")
@require_roles(Role.ADMIN)
@users.doc(requestBody=PHOTO)
@users.response(204)
@users.alt_response(409, description="Somebody else has a beak like this")
def enrol_beak(user_id: UUID) -> None:
    """Make the beak in the photo the user's, in place of the one before"""
    descriptor = commands.look_at(*sent_photo())
    with runtime().database.transaction() as session:
        commands.enrol_beak(session, commands.tools().beaks, user_id, descriptor)


@users.post("/<uuid:user_id>/block")
@require_roles(Role.ADMIN)
@users.response(200, UserSchema)
@users.alt_response(409, description="This is the last active administrator")
def block_user(user_id: UUID) -> User:
    """Shut a user out of everything"""
    with runtime().database.transaction() as session:
        return commands.block_user(session, user_id)


@users.post("/<uuid:user_id>/unblock")
@require_roles(Role.ADMIN)
@users.response(200, UserSchema)
def unblock_user(user_id: UUID) -> User:
    """Let a blocked user in again"""
    with runtime().database.transaction() as session:
        return commands.unblock_user(session, user_id)


@users.get("/<uuid:user_id>/permissions")
@require_roles()
@users.response(200, PermissionsSchema)
def get_permissions(user_id: UUID) -> dict[str, list[str]]:
    """What a user may do; who is blocked may do nothing"""
    with runtime().database.reading() as session:
        user = queries.user(session, user_id)
    return {"permissions": permissions_of(user.role, active=user.status == ACTIVE)}
