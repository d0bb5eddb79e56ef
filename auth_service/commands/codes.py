"""Authorization codes: RFC 6749 section 4.1 with PKCE (RFC 7636), as RFC 9700 wants it."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from joserfc.jwk import ECKey
from sqlalchemy.orm import Session

from auth_service.commands.tokens import AccessToken, access_token, id_token, revoke_token
from auth_service.domain.clients import Client
from auth_service.domain.pkce import proves
from auth_service.models import AuthorizationCode, SignIn, User
from auth_service.queries.sessions import goes_on
from chassis.people import LIFETIME

#: From the redirect to the exchange a browser needs a moment.
_LIFETIME = timedelta(seconds=60)


@dataclass(frozen=True)
class Redeemed:
    """What a client gets for a code."""

    access: AccessToken
    #: None unless the scope has `openid`.
    id_token: str | None
    scope: str


def issue_code(
    session: Session,
    client: Client,
    *,
    code_challenge: str,
    scope: str,
    nonce: str | None,
    user_id: UUID,
    sign_in_id: UUID,
    now: datetime,
) -> str:
    """Return a new code for a person who is signed in here. The challenge is an S256 one."""
    code = secrets.token_urlsafe(32)
    session.add(
        AuthorizationCode(
            code_hash=_hash(code),
            client_id=client.client_id,
            redirect_uri=client.redirect_uri,
            code_challenge=code_challenge,
            scope=scope,
            nonce=nonce,
            user_id=user_id,
            sign_in_id=sign_in_id,
            expires_at=now + _LIFETIME,
        )
    )
    return code


def redeem_code(
    session: Session,
    key: ECKey,
    client: Client,
    *,
    code: str,
    redirect_uri: str,
    verifier: str,
    issuer: str,
    now: datetime,
) -> Redeemed | None:
    """Exchange a code for tokens; None if it is not one of this client, expired, used, or not proven to be its own.

    A code that comes a second time was stolen, from the client or for it: the token given for it is revoked
    (RFC 6749, 4.1.2). So the caller commits in either case.
    """
    row = session.get(AuthorizationCode, _hash(code), with_for_update=True)
    if row is None or row.client_id != client.client_id:
        return None
    if row.token_id is not None:
        revoke_token(session, row.token_id, expires_at=now + LIFETIME)
        return None
    if row.expires_at <= now or row.redirect_uri != redirect_uri or not proves(verifier, row.code_challenge):
        return None
    if not goes_on(session, row.sign_in_id, now=now):
        return None
    user, entry = session.get_one(User, row.user_id), session.get_one(SignIn, row.sign_in_id)
    access = access_token(key, user, sign_in_id=entry.id, now=now, client_id=client.client_id, scope=row.scope)
    row.token_id = access.id
    identity = None
    if "openid" in row.scope.split():
        identity = id_token(key, user, entry, issuer=issuer, client_id=client.client_id, nonce=row.nonce, now=now)
    return Redeemed(access, identity, row.scope)


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
