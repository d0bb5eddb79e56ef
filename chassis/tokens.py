"""Access tokens of auth, checked without asking auth: signature, issuer, audience, times.

The public keys are fetched from auth's JWKS (RFC 7517) and kept in memory and on disk, so that people who hold a
token can work while auth is down, even after a restart of this service.
"""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
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
from chassis.people import Claims, Role

ISSUER = "ates-auth"
AUDIENCE = "ates"
ALGORITHM = "ES256"

#: Seconds after which the keys are fetched again: a key that auth withdrew is not trusted for longer.
_MAX_AGE = 600.0
#: Seconds between two attempts, so that tokens with invented key ids cannot make us flood auth.
_BETWEEN_ATTEMPTS = 5.0
#: Seconds for which a key id that auth did not know is not asked for again, and how many such ids are remembered.
_UNKNOWN_FOR = 60.0
_MAX_UNKNOWN = 1000
_TIMEOUT = 3.0
#: Seconds by which the clocks of auth and of this service may differ.
_LEEWAY = 5

_log = structlog.get_logger(__name__)

#: Returns the keys, among them the one with this id if it can be had.
Keys = Callable[[str], KeySet]


class RemoteKeys:
    """auth's public keys. Call it with the id of the key that is looked for.

    What is known is served at once, and fetched anew by a thread of its own. A request waits only while nothing at all
    is known.
    """

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
        #: Held while the first keys are looked for: all who need them wait for the same answer.
        self._first = threading.Lock()
        #: Held for moments, for what follows.
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._fetched_at = self._asked_at = float("-inf")
        self._refreshing = False
        #: Key ids that auth did not know, oldest first, and until when they are not asked for again.
        self._unknown: OrderedDict[str, float] = OrderedDict()

    def __call__(self, key_id: str) -> KeySet:
        """Return the keys known so far; they are fetched behind if they are old or this one is not among them.

        Raises Unavailable if there are none: auth is away, and there is no copy.
        """
        keys = self._keys or self._first_keys()
        if self._begin_refresh(keys, key_id):
            threading.Thread(target=self._refresh_behind, args=(key_id,), name="jwks", daemon=True).start()
        return keys

    def _first_keys(self) -> KeySet:
        with self._first:
            if self._keys is None:
                self._keys = self._read_copy()
            if self._keys is None and self._clock() - self._asked_at >= _BETWEEN_ATTEMPTS:
                self._asked_at = self._clock()
                self._refresh()
            if self._keys is None:
                raise Unavailable(N_("The sign-in service cannot be reached, so your token cannot be checked."))
            return self._keys

    def _begin_refresh(self, keys: KeySet, key_id: str) -> bool:
        """Tell whether the caller is to fetch the keys: one does at a time, and not too often."""
        now = self._clock()
        with self._lock:
            outdated = now - self._fetched_at > _MAX_AGE
            wanted = not _has(keys, key_id) and now >= self._unknown.get(key_id, now)
            if not (outdated or wanted) or self._refreshing or now - self._asked_at < _BETWEEN_ATTEMPTS:
                return False
            self._refreshing = True
            self._asked_at = now
            return True

    def _refresh_behind(self, key_id: str) -> None:
        try:
            if self._refresh():
                self._remember_if_unknown(key_id)
        finally:
            with self._lock:
                self._refreshing = False

    def _remember_if_unknown(self, key_id: str) -> None:
        with self._lock:
            self._unknown.pop(key_id, None)
            if self._keys is not None and not _has(self._keys, key_id):
                self._unknown[key_id] = self._clock() + _UNKNOWN_FOR
            while len(self._unknown) > _MAX_UNKNOWN:
                self._unknown.popitem(last=False)

    def _refresh(self) -> bool:
        """Fetch the keys, and tell whether that worked; if not, those that are known stay."""
        try:
            found = self._fetch(self._url)
            self._keys = KeySet.import_key_set(found)
            self._fetched_at = self._clock()
        except (requests.RequestException, ValueError, KeyError, TypeError, JoseError) as error:
            _log.warning("jwks_not_fetched", url=self._url, error=str(error))
            return False
        self._write_copy(found)
        return True

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
    """Tells what an access token claims."""

    def __init__(self, keys: Keys) -> None:
        """Take where the public keys come from."""
        self._keys = keys
        self._claims = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            sid={"essential": True},
            jti={"essential": True},
            iat={"essential": True},
            exp={"essential": True},
        )

    def verify(self, token: str) -> Claims:
        """Return what the token says, if auth signed it. Raises Unauthorized with the reason, or Unavailable."""
        try:
            key_id = jws.extract_compact(token.encode()).headers().get("kid")
            if not isinstance(key_id, str):
                raise Unauthorized(N_("The token does not name the key that signed it."))
            claims = jwt.decode(token, self._keys(key_id), algorithms=[ALGORITHM]).claims
            self._claims.validate(claims)
            return _as_claims(claims)
        except JoseError as error:
            reason = error.description or error.error
            raise Unauthorized(N_("The token is not valid: %(reason)s"), reason=reason) from error
        except (ValueError, KeyError, TypeError, UnicodeError, OverflowError) as error:
            raise Unauthorized(N_("The token is not one of ours.")) from error


def _as_claims(claims: Mapping[str, Any]) -> Claims:
    issued_at = datetime.fromtimestamp(claims["iat"], UTC)
    return Claims(
        user_id=UUID(claims["sub"]),
        name=str(claims.get("name", "")),
        role=Role(claims["role"]),
        session_id=UUID(claims["sid"]),
        issued_at=issued_at,
        confirmed_at=issued_at,
        token_id=UUID(claims["jti"]),
    )


def _has(keys: KeySet, key_id: str) -> bool:
    return any(key.kid == key_id for key in keys)


def _get_json(url: str) -> Any:
    response = requests.get(url, timeout=_TIMEOUT)
    response.raise_for_status()
    return response.json()
