"""Signing in to the pages of a service by way of auth: OAuth 2.0, authorization code with PKCE (RFC 7636).

The service is a public client of auth, named after itself. After the callback only the session cookie
of the service remains; no token is kept.
"""

import re

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from flask import Blueprint, redirect, request, session
from werkzeug.wrappers import Response

from chassis.errors import N_, ServiceError, Unauthorized, Unavailable
from chassis.identity import as_known_here, end_page_session, principal_or_none, start_page_session
from chassis.runtime import runtime
from chassis.settings import DEFAULT_PORTS

SIGN_IN_PATH = "/sign-in"

#: Sign-ins that were started in this browser and not finished; the oldest is forgotten.
_MAX_STARTED = 5
_TIMEOUT = 5
_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")

sign_in = Blueprint("sign_in", __name__)


class SignInFailed(ServiceError):
    """auth refused, or what came back does not belong to a sign-in that was started here."""

    title = N_("The sign-in did not work")


def local_path(url: str | None) -> str:
    """Return the URL if it is a path of this very service, and `/` otherwise: no open redirects."""
    return url if url is not None and _LOCAL.fullmatch(url) else "/"


@sign_in.get(SIGN_IN_PATH)
def start() -> Response:
    """Send the browser to auth, which sends it back to `callback`."""
    verifier = generate_token(64)
    with _client() as client:
        url, state = client.create_authorization_url(_auth("/oauth/authorize"), code_verifier=verifier)
    started = dict(list(session.get("sign_ins", {}).items())[1 - _MAX_STARTED :])
    session["sign_ins"] = {**started, state: [verifier, local_path(request.args.get("next"))]}
    return redirect(url)


@sign_in.get(f"{SIGN_IN_PATH}/callback")
def callback() -> Response:
    """Finish the sign-in: exchange the code for a token, check it, start the session of the pages."""
    started = session.get("sign_ins", {}).get(request.args.get("state", ""))
    if started is None and principal_or_none() is not None:
        return redirect("/")  # the same sign-in was finished before, or another one in a second tab
    if started is None:
        raise SignInFailed(N_("This sign-in has expired or was started in another browser. Try once more."))
    if "code" not in request.args:
        raise SignInFailed(N_("The sign-in service did not let you in."))
    verifier, back = started
    try:
        with _client() as client:
            token = client.fetch_token(_auth("/oauth/token"), code=request.args["code"], code_verifier=verifier)
    except requests.RequestException as error:
        raise Unavailable(N_("The sign-in service cannot be reached. Try again in a moment.")) from error
    except (AuthlibBaseError, ValueError) as error:
        raise SignInFailed(N_("The sign-in service did not let you in.")) from error
    try:
        principal = as_known_here(runtime().verifier.verify(str(token.get("access_token", ""))))
    except Unauthorized as error:  # not to be answered by yet another sign-in
        failed = SignInFailed(error.message)
        failed.parts = error.parts
        raise failed from error
    start_page_session(principal.user_id, name=principal.name, role=principal.role)
    return redirect(back)


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


def _client() -> OAuth2Session:
    settings = runtime().settings
    return OAuth2Session(
        settings.service,
        redirect_uri=f"{settings.public_url}{SIGN_IN_PATH}/callback",
        scope="openid profile",
        code_challenge_method="S256",
        token_endpoint_auth_method="none",  # noqa: S106 (a public client has no secret)
        default_timeout=_TIMEOUT,
    )


def _auth(path: str) -> str:
    return f"{runtime().settings.public_urls['auth']}{path}"
