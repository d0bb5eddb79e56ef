"""Who makes the request, and whether they may: bearer tokens under /api/, a page session elsewhere.

The service's own replica of users has the last word on role and status, so a blocked user is shut out
as soon as the service has heard of it, whatever the token or the session says.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar
from uuid import UUID

from flask import g, request, session
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chassis.errors import N_, Forbidden, Unauthorized
from chassis.people import BLOCKED, LocalUser, Principal, Role
from chassis.runtime import runtime

__all__ = [
    "Blocked",
    "LocalUser",
    "Principal",
    "Role",
    "as_known_here",
    "current_principal",
    "end_page_session",
    "is_api_request",
    "principal_or_none",
    "require_roles",
    "start_page_session",
]

P = ParamSpec("P")
R = TypeVar("R")


class Blocked(Unauthorized):
    """The user was blocked after the token or session was given out."""

    title = N_("You are blocked")


def is_api_request() -> bool:
    """Tell whether the request is one to the REST API, where cookies mean nothing."""
    return request.path.startswith("/api/")


def current_principal() -> Principal:
    """Return who makes this request. Raises Unauthorized, or Blocked."""
    if "principal" not in g:
        g.principal = _of_bearer_token() if is_api_request() else _of_page_session()
    principal: Principal = g.principal
    return principal


def principal_or_none() -> Principal | None:
    """Return who makes this request, None if nobody is signed in or that cannot be found out at the moment."""
    try:
        return current_principal()
    except (Unauthorized, OperationalError, PoolTimeout):
        return None


def require_roles(*roles: Role) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let only these roles call the view; with no roles, anyone who is signed in.

    Raises Unauthorized (pages then lead to the sign-in) or Forbidden.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            principal = current_principal()
            if roles and principal.role not in roles:
                raise Forbidden(
                    N_("This needs one of the roles %(roles)s; you are %(role)s."),
                    roles=", ".join(roles),
                    role=principal.role,
                )
            return view(*args, **kwargs)

        return checked

    return decorate


def start_page_session(user_id: UUID, *, name: str = "", role: Role | None = None) -> None:
    """Sign a person in to the pages of this service.

    Name and role serve only until the service's own replica knows the user.
    """
    session.clear()
    session.permanent = True  # ends after PERMANENT_SESSION_LIFETIME, not with the browser
    session["user_id"] = str(user_id)
    session["name"] = name
    session["role"] = role
    g.pop("principal", None)


def end_page_session() -> None:
    """Sign the person out of the pages of this service."""
    session.clear()
    g.pop("principal", None)


def as_known_here(principal: Principal) -> Principal:
    """Return the holder of a token as the service's own replica knows them. Raises Blocked."""
    local = runtime().find_user(principal.user_id)
    return principal if local is None else _from_replica(local)


def _of_bearer_token() -> Principal:
    authorization = request.authorization
    if authorization is None or authorization.type != "bearer" or not authorization.token:
        raise Unauthorized(N_("Send an access token: Authorization: Bearer <token>."))
    return as_known_here(runtime().verifier.verify(authorization.token))


def _of_page_session() -> Principal:
    user_id = session.get("user_id")
    if user_id is None:
        raise Unauthorized(N_("Show your beak first."))
    try:
        local = runtime().find_user(UUID(user_id))
        if local is not None:
            return _from_replica(local)
        return Principal(UUID(user_id), session["name"], Role(session["role"]))
    except (Blocked, ValueError, KeyError):
        end_page_session()
        raise Unauthorized(N_("You were signed out. Show your beak again.")) from None


def _from_replica(local: LocalUser) -> Principal:
    if local.status == BLOCKED:
        raise Blocked(N_("You were blocked. Only an administrator can let you in again."))
    return Principal(local.user_id, local.name, Role(local.role))
