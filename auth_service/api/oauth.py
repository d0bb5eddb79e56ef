"""OAuth 2.0 for our own services: authorization code with PKCE (RFC 6749, 7636, 9207, 9700), RFC 7662 and RFC 7009.

Our clients are public and there is one grant, so this is a page of code; a framework for every grant, with client
secrets and consent, would have been more to configure than this is to read.
"""

from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID

from flask import Response, jsonify, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from auth_service import commands, queries
from auth_service.domain.clients import Client, granted_scope
from auth_service.domain.pkce import METHOD, is_challenge
from auth_service.schemas import OAuthErrorSchema
from chassis.db import utc_now
from chassis.errors import N_, ServiceError, Unauthorized
from chassis.identity import current_principal, holder_of
from chassis.input.bodies import Blueprint
from chassis.input.text import is_text
from chassis.runtime import runtime

oauth = Blueprint("oauth", __name__, url_prefix="/oauth", description="OAuth 2.0 and OpenID Connect")

#: Of the values of a request: what is longer was not made by a client of ours.
_LONGEST = 2000

_OBJECT = {"type": "object"}


class UnknownClient(ServiceError):
    """No client has this id and this redirect_uri, so the browser is not sent there (RFC 6749, 4.1.2.1)."""

    title = N_("The sign-in cannot go on")


@oauth.get("/authorize")
@oauth.doc(security=[])
@oauth.alt_response(302, description="To the client, or to the sign-in page")
def authorize() -> BaseResponse:
    """Send the browser back to the client with a code, by way of the sign-in page if nobody is signed in"""
    asked = request.args
    client = commands.tools().clients.get(asked.get("client_id", ""))
    if client is None or asked.get("redirect_uri") != client.redirect_uri:
        raise UnknownClient(N_("The page that sent you here is not one of our services."))
    error = _fault()
    if error is not None:
        return _back_to(client, error=error)
    try:
        principal = current_principal()
    except Unauthorized:
        if asked.get("prompt") == "none":
            return _back_to(client, error="login_required")
        return redirect(f"{runtime().sign_in_url}?{urlencode({'next': request.full_path})}")
    with runtime().database.transaction() as transaction:
        code = commands.issue_code(
            transaction,
            client,
            code_challenge=asked["code_challenge"],
            scope=granted_scope(asked.get("scope", "")),
            nonce=asked.get("nonce"),
            user_id=principal.user_id,
            sign_in_id=principal.session_id,
            now=utc_now(),
        )
    return _back_to(client, code=code)


@oauth.post("/token")
@oauth.doc(security=[])
@oauth.alt_response(200, schema=_OBJECT, description="RFC 6749, 5.1")
@oauth.alt_response(400, schema=OAuthErrorSchema, description="RFC 6749, 5.2")
@oauth.alt_response(401, schema=OAuthErrorSchema, description="There is no such client")
def token() -> Response:
    """Exchange a code for tokens"""
    form = request.form
    if form.get("grant_type") != "authorization_code":
        return _error("unsupported_grant_type" if "grant_type" in form else "invalid_request")
    client = commands.tools().clients.get(form.get("client_id", ""))
    if client is None:
        return _error("invalid_client", 401)
    if not {"code", "redirect_uri", "code_verifier"} <= form.keys():
        return _error("invalid_request")
    with runtime().database.transaction() as transaction:
        redeemed = commands.redeem_code(
            transaction,
            commands.tools().keys.signing_key(),
            client,
            code=form["code"],
            redirect_uri=form["redirect_uri"],
            verifier=form["code_verifier"],
            issuer=runtime().settings.public_url,
            now=utc_now(),
        )
    if redeemed is None:
        return _error("invalid_grant")
    answer = {
        "access_token": redeemed.access.text,
        "token_type": "Bearer",
        "expires_in": redeemed.access.expires_in,
        "scope": redeemed.scope,
    }
    return _json(answer if redeemed.id_token is None else {**answer, "id_token": redeemed.id_token})


@oauth.post("/introspect")
@oauth.alt_response(200, schema=_OBJECT, description="RFC 7662, 2.2")
@oauth.alt_response(400, schema=OAuthErrorSchema, description="RFC 6749, 5.2")
@oauth.alt_response(401, schema=OAuthErrorSchema, description="Who asks has no valid token")
def introspect() -> Response:
    """Tell whether a token counts, to whoever has a valid one of their own"""
    authorization = request.authorization
    if authorization is None or authorization.type != "bearer" or not authorization.token:
        return _error("invalid_client", 401)
    try:
        holder_of(runtime().verifier.verify(authorization.token))
    except Unauthorized:
        return _error("invalid_token", 401)
    if "token" not in request.form:
        return _error("invalid_request")
    claims = commands.claims_of(commands.tools().keys.key_set(), request.form["token"], now=utc_now())
    with runtime().database.reading() as reading:
        if claims is None or not queries.token_counts(reading, UUID(claims["jti"]), UUID(claims["sid"]), now=utc_now()):
            return _json({"active": False})
        user = queries.user(reading, UUID(claims["sub"]))
    known_now = {"active": True, "token_type": "Bearer", "username": user.name, "name": user.name, "role": user.role}
    return _json({**claims, **known_now})


@oauth.post("/revoke")
@oauth.doc(security=[])
@oauth.alt_response(200, schema=_OBJECT, description="RFC 7009, 2.2")
@oauth.alt_response(400, schema=OAuthErrorSchema, description="RFC 6749, 5.2")
@oauth.alt_response(401, schema=OAuthErrorSchema, description="The token is none of this client's")
def revoke() -> Response:
    """Let a token count no longer; what is no token of ours does not count anyway (RFC 7009, 2.2)"""
    if "token" not in request.form:
        return _error("invalid_request")
    client_id = request.form.get("client_id")
    if client_id is not None and client_id not in commands.tools().clients:
        return _error("invalid_client", 401)
    claims = commands.claims_of(commands.tools().keys.key_set(), request.form["token"], now=utc_now())
    if claims is not None:
        if client_id != claims.get("client_id"):
            return _error("invalid_client", 401)
        with runtime().database.transaction() as transaction:
            commands.revoke(transaction, claims)
    return _json({})


def _fault() -> str | None:
    """What is wrong with the request of a known client, as an error code of RFC 6749, 4.1.2.1."""
    asked = request.args
    if any(len(asked.getlist(name)) > 1 for name in asked):
        return "invalid_request"
    if asked.get("response_type") != "code":
        return "unsupported_response_type" if "response_type" in asked else "invalid_request"
    if not all(is_text(value) and len(value) <= _LONGEST for value in asked.values()):
        return "invalid_request"
    if asked.get("code_challenge_method") != METHOD or not is_challenge(asked.get("code_challenge", "")):
        return "invalid_request"
    return None


def _back_to(client: Client, **answer: str) -> BaseResponse:
    """Send the browser to the client; `iss` says from whom the answer comes (RFC 9207)."""
    if "state" in request.args:
        answer["state"] = request.args["state"]
    query = urlencode({**answer, "iss": runtime().settings.public_url})
    return redirect(urlunsplit(urlsplit(client.redirect_uri)._replace(query=query)))


def _error(error: str, status: int = 400) -> Response:
    response = _json({"error": error})
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _json(answer: dict[str, Any]) -> Response:
    response = jsonify(answer)
    response.headers["Cache-Control"] = "no-store"
    return response
