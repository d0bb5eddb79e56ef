"""REST for signing in, for who one is, and for the audit."""

from typing import Any
from uuid import UUID

from auth_service import commands, queries
from auth_service.api.limits import limits_refusals
from auth_service.api.photos import PHOTO, let_in, sent_photo
from auth_service.models import RefusedSignIn, SignIn, User
from auth_service.schemas import RefusedSignInSchema, SessionSchema, SignInArgs, SignInSchema, TokenSchema, UserSchema
from chassis.db import utc_now
from chassis.identity import current_principal, require_roles
from chassis.input.bodies import Blueprint
from chassis.lists import lists
from chassis.paging import Page, PageArgs
from chassis.people import Role
from chassis.runtime import runtime

sign_ins = Blueprint("sign_ins", __name__, url_prefix="/api/v1", description="Coming in by the beak")


@sign_ins.post("/token")
@sign_ins.doc(requestBody=PHOTO, security=[])
@sign_ins.response(200, TokenSchema)
@sign_ins.alt_response(401, description="An unknown beak, or a blocked user")
@sign_ins.alt_response(413, description="Too large")
@sign_ins.alt_response(415, description="Neither PNG nor JPEG")
@sign_ins.alt_response(422, description="No beak can be recognised; `type` and `detail` say why")
@sign_ins.alt_response(429, description="Too many photos were refused; `Retry-After` says when to try again")
@sign_ins.alt_response(503, description="As many photos as can be looked at are being looked at")
@limits_refusals
def get_token() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Show your beak and get a token for all services"""
    entry, user = let_in(*sent_photo(), via="api")
    token = commands.access_token(commands.tools().keys.signing_key(), user, sign_in_id=entry.id, now=utc_now())
    answer = {"access_token": token.text, "token_type": "Bearer", "expires_in": token.expires_in, "user": user}
    return answer, 200, {"Cache-Control": "no-store"}


@sign_ins.get("/sessions/<uuid:session_id>")
@sign_ins.doc(security=[])
@sign_ins.response(200, SessionSchema)
def get_session(session_id: UUID) -> tuple[dict[str, bool], int, dict[str, str]]:
    """Whether a session goes on, to whoever knows its id: the other services ask this before they renew theirs"""
    with runtime().database.reading() as session:
        goes_on = queries.goes_on(session, session_id, now=utc_now())
    return {"active": goes_on}, 200, {"Cache-Control": "no-store"}


@sign_ins.get("/me")
@require_roles()
@sign_ins.response(200, UserSchema)
def get_me() -> User:
    """Who I am"""
    with runtime().database.reading() as session:
        return queries.user(session, current_principal().user_id)


@sign_ins.get("/sign-ins")
@require_roles(Role.ADMIN)
@sign_ins.arguments(SignInArgs, location="query")
@lists(sign_ins, SignInSchema)
def list_sign_ins(args: dict[str, Any]) -> Page[SignIn]:
    """The audit: who came and went, latest first"""
    with runtime().database.reading() as session:
        return queries.sign_ins(session, **args)


@sign_ins.get("/sign-ins/refused")
@require_roles(Role.ADMIN)
@sign_ins.arguments(PageArgs, location="query")
@lists(sign_ins, RefusedSignInSchema)
def list_refused_sign_ins(args: dict[str, Any]) -> Page[RefusedSignIn]:
    """The audit: who was not let in and why, latest first"""
    with runtime().database.reading() as session:
        return queries.refused_sign_ins(session, **args)
