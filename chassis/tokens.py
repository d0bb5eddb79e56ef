"""Access tokens of auth, checked without asking auth: signature, issuer, audience, times.

The public keys are fetched from auth's JWKS (RFC 7517) and kept in memory and on disk, so that people who hold a
token can work while auth is down, even after a restart of this service.
"""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import requests
import structlog
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from chassis.errors import N_, Unauthorized, Unavailable
from chassis.files import private_folder
from chassis.people import Principal, Role

ISSUER = "ates-auth"
AUDIENCE = "ates"
ALGORITHM = "ES256"

#: Seconds after which the keys are fetched again: a key that auth withdrew is not trusted for longer.
_MAX_AGE = 600.0
#: Seconds between two attempts, so that tokens with invented key ids cannot make us flood auth.
_BETWEEN_ATTEMPTS = 5.0
_TIMEOUT = 3.0
#: Seconds by which the clocks of auth and of this service may differ.
_LEEWAY = 5

_log = structlog.get_logger(__name__)

#: Returns the keys, among them the one with this id if it can be had.
Keys = Callable[[str], KeySet]


class RemoteKeys:
    """auth's public keys. Call it with the id of the key that is looked for."""

    def __init__(
        self,
        url: str,
        copy: Path,
        *,
        fetch: Callable[[str], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the JWKS' address and the file that keeps a copy of it; nothing is fetched before the first call."""
        self._url = url
        self._copy = copy
        self._fetch = fetch or _get_json
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._fetched_at = self._asked_at = float("-inf")

    def __call__(self, key_id: str) -> KeySet:
        """Return the keys. Raises Unavailable if there are none: auth is away, and there is no copy."""
        with self._lock:
            now = self._clock()
            known = self._keys is not None and any(key.kid == key_id for key in self._keys)
            outdated = not known or now - self._fetched_at > _MAX_AGE
            if outdated and now - self._asked_at >= _BETWEEN_ATTEMPTS:
                self._asked_at = now
                self._refresh(now)
            if self._keys is None:
                raise Unavailable(N_("The sign-in service cannot be reached, so your token cannot be checked."))
            return self._keys

    def _refresh(self, now: float) -> None:
        try:
            found = self._fetch(self._url)
            self._keys = KeySet.import_key_set(found)
            self._fetched_at = now
        except (requests.RequestException, ValueError, KeyError, TypeError, JoseError) as error:
            _log.warning("jwks_not_fetched", url=self._url, error=str(error))
            self._keys = self._keys or self._read_copy()
        else:
            self._write_copy(found)

    def _read_copy(self) -> KeySet | None:
        try:
            return KeySet.import_key_set(json.loads(self._copy.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, JoseError):
            return None

    def _write_copy(self, found: Any) -> None:
        try:
            private_folder(self._copy.parent)
            new = self._copy.with_suffix(".new")
            new.write_text(json.dumps(found), encoding="utf-8")
            new.replace(self._copy)
        except OSError as error:
            _log.warning("jwks_not_kept", file=str(self._copy), error=str(error))


class TokenVerifier:
    """Tells whose an access token is."""

    def __init__(self, keys: Keys) -> None:
        """Take where the public keys come from."""
        self._keys = keys
        self._claims = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            exp={"essential": True},
        )

    def verify(self, token: str) -> Principal:
        """Return who the token was issued to. Raises Unauthorized with the reason, or Unavailable."""
        try:
            key_id = jws.extract_compact(token.encode()).headers().get("kid")
            if not isinstance(key_id, str):
                raise Unauthorized(N_("The token does not name the key that signed it."))
            claims = jwt.decode(token, self._keys(key_id), algorithms=[ALGORITHM]).claims
            self._claims.validate(claims)
            return Principal(UUID(claims["sub"]), str(claims.get("name", "")), Role(claims["role"]))
        except JoseError as error:
            reason = error.description or error.error
            raise Unauthorized(N_("The token is not valid: %(reason)s"), reason=reason) from error
        except (ValueError, KeyError, TypeError, UnicodeError) as error:
            raise Unauthorized(N_("The token is not one of ours.")) from error


def _get_json(url: str) -> Any:
    response = requests.get(url, timeout=_TIMEOUT)
    response.raise_for_status()
    return response.json()
