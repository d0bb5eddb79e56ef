"""REST for signing in, for who one is, and for the audit."""

from typing import Any

from flask import request

from auth_service import commands, queries
from auth_service.api.photos import PHOTO, sent_photo
from auth_service.models import SignIn, User
from auth_service.schemas import SignInArgs, SignInSchema, TokenSchema, UserSchema
from chassis.db import utc_now
from chassis.identity import current_principal, require_roles
from chassis.input.bodies import Blueprint
from chassis.paging import Page, page_schema
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
def get_token() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Show your beak and get a token for all services"""
    tools = commands.tools()
    photo, content_type = sent_photo()
    with runtime().database.transaction() as session:
        entry, user = commands.sign_in(
            session,
            tools.beaks,
            photo=photo,
            content_type=content_type,
            via="api",
            address=request.remote_addr,
        )
    token = commands.access_token(
        tools.keys.signing_key(), user, sign_in_id=entry.id, lifetime=commands.FOR_SCRIPTS, now=utc_now()
    )
    answer = {"access_token": token.text, "token_type": "Bearer", "expires_in": token.expires_in, "user": user}
    return answer, 200, {"Cache-Control": "no-store"}


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
@sign_ins.response(200, page_schema(SignInSchema))
def list_sign_ins(args: dict[str, Any]) -> Page[SignIn]:
    """The audit: who came and went, latest first"""
    with runtime().database.reading() as session:
        return queries.sign_ins(session, **args)
