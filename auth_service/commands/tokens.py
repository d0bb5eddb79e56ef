"""Making tokens, and telling whether one still counts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from auth_service.commands.sign_ins import sign_out
from auth_service.models import RevokedToken, SignIn, User
from chassis.people import LIFETIME
from chassis.tokens import ALGORITHM, AUDIENCE, ISSUER


@dataclass(frozen=True)
class AccessToken:
    """A token, and what one may want to know of it."""

    text: str
    id: UUID
    expires_in: int


def access_token(
    key: ECKey,
    user: User,
    *,
    sign_in_id: UUID,
    now: datetime,
    client_id: str | None = None,
    scope: str | None = None,
) -> AccessToken:
    """Make a token with which the user is known in all services, for as long as these do not ask us anew."""
    token_id, seconds = uuid4(), int(LIFETIME.total_seconds())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user.id),
        "name": user.name,
        "role": user.role,
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + seconds,
        "jti": str(token_id),
        "sid": str(sign_in_id),
    }
    if client_id is not None:
        claims |= {"client_id": client_id, "scope": scope or ""}
    return AccessToken(_signed(key, claims), token_id, seconds)


def id_token(
    key: ECKey, user: User, entry: SignIn, *, issuer: str, client_id: str, nonce: str | None, now: datetime
) -> str:
    """Make the ID token of OpenID Connect: it tells the client who signed in, and opens nothing."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": client_id,
        "sub": str(user.id),
        "name": user.name,
        "role": user.role,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
        "auth_time": int(entry.signed_in_at.timestamp()),
        "sid": str(entry.id),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    return _signed(key, claims)


def claims_of(keys: KeySet, token: str, *, now: datetime) -> dict[str, Any] | None:
    """The claims of an access token that we signed and that has not expired; None for everything else."""
    try:
        claims = jwt.decode(token, keys, algorithms=[ALGORITHM]).claims
        registry = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            exp={"essential": True},
            jti={"essential": True},
        )
        registry.validate(claims)
    except (JoseError, ValueError, TypeError, UnicodeError):
        return None
    return claims


def revoke(session: Session, claims: dict[str, Any]) -> None:
    """Let the token count no longer. A script's token is its whole sign-in, so that ends with it."""
    revoke_token(session, UUID(claims["jti"]), expires_at=datetime.fromtimestamp(claims["exp"], UTC))
    if "client_id" not in claims:
        sign_out(session, UUID(claims["sid"]))


def revoke_token(session: Session, token_id: UUID, *, expires_at: datetime) -> None:
    """Note that the token counts no longer; once more does no harm."""
    row = insert(RevokedToken).values(token_id=token_id, expires_at=expires_at)
    session.execute(row.on_conflict_do_nothing())


def _signed(key: ECKey, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key)
