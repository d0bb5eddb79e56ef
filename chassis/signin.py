"""Signing in to the pages of a service by way of auth: OAuth 2.0, authorization code with PKCE (RFC 7636).

The service is a public client of auth, named after itself. After the callback only the session cookie
of the service remains; no token is kept.
"""

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from flask import Blueprint, current_app, redirect, request
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from chassis.errors import N_, ServiceError, Unauthorized, Unavailable
from chassis.identity import end_page_session, holder_of, principal_or_none, start_page_session
from chassis.runtime import runtime
from chassis.settings import DEFAULT_PORTS

if TYPE_CHECKING:
    from authlib.integrations.requests_client import OAuth2Session

SIGN_IN_PATH = "/sign-in"

#: Sign-ins that were started in this browser and not finished; the oldest is forgotten.
_MAX_STARTED = 5
#: Seconds in which one can be finished.
_STARTED_FOR = 600
#: Characters of the page that was wanted. Services share a host, so a browser sends the cookies of all of them to each.
_LONGEST_WAY_BACK = 500
_TIMEOUT = 5
_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")

sign_in = Blueprint("sign_in", __name__)


class SignInFailed(ServiceError):
    """auth refused, or what came back does not belong to a sign-in that was started here."""

    title = N_("The sign-in did not work")


class _Started(NamedTuple):
    """A sign-in that was started in this browser: in a cookie of its own, for tabs do not know of each other."""

    verifier: str
    #: The page that was wanted.
    back: str


def local_path(url: str | None) -> str:
    """Return the URL if it is a path of this very service, and `/` otherwise: no open redirects."""
    return url if url is not None and _LOCAL.fullmatch(url) else "/"


@sign_in.get(SIGN_IN_PATH)
def start() -> Response:
    """Send the browser to auth, which sends it back to `callback`."""
    verifier = generate_token(64)
    with _client() as client:
        url, state = client.create_authorization_url(_auth("/oauth/authorize"), code_verifier=verifier)
    back = local_path(request.args.get("next"))
    started = _Started(verifier, back if len(back) <= _LONGEST_WAY_BACK else "/")
    response = redirect(url)
    _remember(response, state, started)
    return response


@sign_in.get(f"{SIGN_IN_PATH}/callback")
def callback() -> Response:
    """Finish the sign-in: exchange the code for a token, check it, start the session of the pages."""
    state = request.args.get("state", "")
    started = _started(state)
    if started is None and principal_or_none() is not None:
        return redirect("/")  # the same sign-in was finished before, or another one in a second tab
    if started is None:
        raise SignInFailed(N_("This sign-in has expired or was started in another browser. Try once more."))
    if "code" not in request.args:
        raise SignInFailed(N_("The sign-in service did not let you in."))
    try:
        with _client() as client:
            token = client.fetch_token(_token_endpoint(), code=request.args["code"], code_verifier=started.verifier)
    except requests.RequestException as error:
        raise Unavailable(N_("The sign-in service cannot be reached. Try again in a moment.")) from error
    except (AuthlibBaseError, ValueError) as error:
        raise SignInFailed(N_("The sign-in service did not let you in.")) from error
    try:
        claims = runtime().verifier.verify(str(token.get("access_token", "")))
        holder_of(claims)
    except Unauthorized as error:  # not to be answered by yet another sign-in
        failed = SignInFailed(error.message)
        failed.parts = error.parts
        raise failed from error
    start_page_session(claims)
    response = redirect(started.back)
    _forget(response, _cookie(state))
    return response


@sign_in.post("/sign-out")
def sign_out() -> Response:
    """End the session here and in the other services, and let auth do its part."""
    end_page_session()
    response = redirect(_auth("/sign-out"))
    # Cookies are not kept apart by port, so where the services share a host their sessions can be ended from here.
    for service in DEFAULT_PORTS:
        if service not in ("auth", runtime().settings.service):
            response.delete_cookie(session_cookie(service))
    return response


def session_cookie(service: str) -> str:
    """Return the name of the service's session cookie: the services share a host, so it tells them apart."""
    return f"{service}_session"


def _remember(response: Response, state: str, started: _Started) -> None:
    names = [name for name in request.cookies if name.startswith(_cookie(""))]  # who was set first stands first
    for name in names[: 1 - _MAX_STARTED]:
        _forget(response, name)
    response.set_cookie(
        _cookie(state),
        _sealed().dumps(started),
        max_age=_STARTED_FOR,
        path=SIGN_IN_PATH,
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
    )


def _started(state: str) -> _Started | None:
    try:
        return _Started(*_sealed().loads(request.cookies.get(_cookie(state), ""), max_age=_STARTED_FOR))
    except BadData:
        return None


def _forget(response: Response, name: str) -> None:
    response.delete_cookie(name, path=SIGN_IN_PATH)


def _cookie(state: str) -> str:
    return f"{runtime().settings.service}_sign_in_{state}"


def _sealed() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        runtime().settings.secret_key, salt="sign-in", signer_kwargs={"digest_method": hashlib.sha256}
    )


def _client() -> "OAuth2Session":
    from authlib.integrations.requests_client import OAuth2Session  # 130 modules, for who signs in

    settings = runtime().settings
    return OAuth2Session(
        settings.service,
        redirect_uri=f"{settings.public_url}{SIGN_IN_PATH}/callback",
        scope="openid profile",
        code_challenge_method="S256",
        token_endpoint_auth_method="none",  # noqa: S106 (a public client has no secret)
        default_timeout=_TIMEOUT,
    )


def _token_endpoint() -> str:
    return f"{runtime().settings.internal_urls['auth']}/oauth/token"


def _auth(path: str) -> str:
    return f"{runtime().settings.public_urls['auth']}{path}"
