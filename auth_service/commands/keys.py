"""The keys that sign tokens: made once, at the first use, and kept in the database."""

import threading

from joserfc.jwk import ECKey, KeySet
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from auth_service.models import SigningKey
from chassis.db import Database, utc_now

_CURVE = "P-256"
#: Two processes that start on an empty database make one key, not two.
_LOCK = 0x4B4559


class KeyRing:
    """The keys of this process, read at the first use. It has transactions of its own: it belongs to no request."""

    def __init__(self, database: Database) -> None:
        """Nothing is read before the first use, so that the process starts without its database."""
        self._database = database
        self._lock = threading.Lock()
        self._keys: list[ECKey] = []

    def signing_key(self) -> ECKey:
        """The newest key, private part included."""
        return self._all()[-1]

    def key_set(self) -> KeySet:
        """Every key that a valid token may be signed with."""
        return KeySet(list(self._all()))

    def _all(self) -> list[ECKey]:
        with self._lock:
            if not self._keys:
                with self._database.transaction() as session:
                    self._keys = _read_or_make(session)
            return self._keys


def _read_or_make(session: Session) -> list[ECKey]:
    session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    rows = session.scalars(select(SigningKey).order_by(SigningKey.created_at)).all()
    if rows:
        return [ECKey.import_key(row.jwk) for row in rows]
    key = ECKey.generate_key(_CURVE, {"use": "sig", "alg": "ES256"}, auto_kid=True)
    session.add(SigningKey(kid=key.kid, jwk=key.as_dict(private=True), created_at=utc_now()))
    return [key]
