"""Who makes the request, and whether they may: bearer tokens under /api/, a page session elsewhere.

The service's own replica of users has the last word on role and status, so a blocked user is shut out
as soon as the service has heard of it, whatever the token or the session says. Both belong to a session with auth and
end with it: `chassis.sessions` tells how the service knows.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import ParamSpec, TypeVar
from uuid import UUID

from flask import g, request, session

from chassis.database_errors import DATABASE_ERRORS, refusal_of_database
from chassis.db import utc_now
from chassis.errors import N_, Forbidden, ServiceError, Unauthorized, Unavailable
from chassis.i18n import translate
from chassis.people import BLOCKED, Claims, LocalUser, Principal, Role
from chassis.runtime import runtime
from chassis.sessions import SessionEnded

__all__ = [
    "Blocked",
    "LocalUser",
    "Principal",
    "Role",
    "current_principal",
    "end_page_session",
    "holder_of",
    "is_api_request",
    "principal_or_none",
    "require_roles",
    "start_page_session",
    "why_signed_out",
]

P = ParamSpec("P")
R = TypeVar("R")


#: In the cookie of a page session that ended by itself.
_WHY_ENDED = "why_ended"
_BLOCKED = "blocked"
_SENTENCES = {
    _BLOCKED: N_("You were blocked: only an administrator can unblock you."),
    "ended": N_("Your session has ended: you signed out elsewhere, or twelve hours have passed."),
}


class Blocked(Unauthorized):
    """The user was blocked after the token or session was given out."""

    title = N_("You are blocked")


def is_api_request() -> bool:
    """Tell whether the request is one to the REST API, where cookies mean nothing."""
    return request.path.startswith("/api/")


def current_principal() -> Principal:
    """Return who makes this request. Raises Unauthorized, Blocked, SessionEnded, or Unavailable."""
    if "principal" not in g:
        try:
            g.principal = _of_bearer_token() if is_api_request() else _of_page_session()
        except (Unauthorized, Unavailable) as error:
            g.principal = error  # a page asks several times, and each time could be a wait for auth
    found: Principal | ServiceError = g.principal
    if isinstance(found, ServiceError):
        raise found
    return found


def principal_or_none() -> Principal | None:
    """Return who makes this request, None if nobody is signed in or that cannot be found out at the moment."""
    try:
        return current_principal()
    except (Unauthorized, Unavailable):
        return None
    except DATABASE_ERRORS as error:
        if refusal_of_database(error) is None:
            raise
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
                    N_("This is only for the roles %(roles)s; yours is %(role)s."),
                    roles=", ".join(translate(role) for role in roles),
                    role=translate(principal.role),
                )
            return view(*args, **kwargs)

        return checked

    return decorate


def start_page_session(claims: Claims) -> None:
    """Sign a person in to the pages of this service.

    Name and role serve only until the service's own replica knows the user.
    """
    session.clear()
    session.permanent = True  # ends after PERMANENT_SESSION_LIFETIME, not with the browser
    session["user_id"] = str(claims.user_id)
    session["name"] = claims.name
    session["role"] = claims.role
    session["session_id"] = str(claims.session_id)
    session["issued_at"] = claims.issued_at.timestamp()
    session["confirmed_at"] = claims.confirmed_at.timestamp()
    g.pop("principal", None)


def end_page_session() -> None:
    """Sign the person out of the pages of this service, also where the cookie was copied to."""
    confirmations = runtime().confirmations
    if confirmations is not None and "session_id" in session:
        confirmations.end(UUID(session["session_id"]))
    session.clear()
    g.pop("principal", None)


def why_signed_out() -> str | None:
    """Return why the page session ended by itself, in English, and only once; None if it did not."""
    return _SENTENCES.get(session.pop(_WHY_ENDED, ""))


def holder_of(claims: Claims) -> Principal:
    """Return the holder of a token as the service knows them. Raises Blocked, SessionEnded, or Unavailable."""
    principal, _ = _checked(claims)
    return principal


def _of_bearer_token() -> Principal:
    authorization = request.authorization
    if authorization is None or authorization.type != "bearer" or not authorization.token:
        raise Unauthorized(N_("Send an access token: Authorization: Bearer <token>."))
    return holder_of(runtime().verifier.verify(authorization.token))


def _of_page_session() -> Principal:
    if "session_id" not in session:
        raise Unauthorized(N_("Show your beak first."))
    try:
        principal, confirmed_at = _checked(_page_claims())
    except (Blocked, SessionEnded, ValueError, KeyError) as error:
        end_page_session()
        session[_WHY_ENDED] = _BLOCKED if isinstance(error, Blocked) else "ended"
        raise Unauthorized(N_("You were signed out. Show your beak again.")) from None
    session["confirmed_at"] = confirmed_at.timestamp()
    return principal


def _page_claims() -> Claims:
    return Claims(
        user_id=UUID(session["user_id"]),
        name=session["name"],
        role=Role(session["role"]),
        session_id=UUID(session["session_id"]),
        issued_at=datetime.fromtimestamp(session["issued_at"], UTC),
        confirmed_at=datetime.fromtimestamp(session["confirmed_at"], UTC),
    )


def _checked(claims: Claims) -> tuple[Principal, datetime]:
    """Return the holder as known here, and when auth last confirmed the session."""
    local = runtime().find_user(claims)
    if local is not None and local.status == BLOCKED:
        raise Blocked(_SENTENCES[_BLOCKED])
    if local is not None and local.session_ended:
        raise SessionEnded
    confirmations = runtime().confirmations
    confirmed_at = utc_now() if confirmations is None else confirmations.check(claims.session_id, claims.confirmed_at)
    known = local or claims
    return Principal(claims.user_id, known.name, Role(known.role), claims.session_id), confirmed_at
