"""A POST that is sent twice with the same Idempotency-Key creates one thing.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ is the source of the rules.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from tracker_service.errors import KeyUsedOtherwise
from tracker_service.models import RequestKey

#: Nobody repeats a request after so long.
KEPT = timedelta(days=7)


def first_made(
    session: Session, *, user_id: UUID, key: str, request: tuple[str, ...], new_id: UUID, now: datetime
) -> UUID:
    """Return the id of what this person's key stands for: `new_id` the first time, the first one's id ever after.

    Waits for a twin that is under way. Raises KeyUsedOtherwise when the key came with another request.
    """
    fingerprint = _digest("\0".join(request))
    key = _digest(key)  # it may be any text, even one that Postgres cannot keep
    claim = insert(RequestKey).values(
        user_id=user_id, key=key, fingerprint=fingerprint, resource_id=new_id, created_at=now
    )
    if session.execute(claim.on_conflict_do_nothing().returning(RequestKey.resource_id)).first():
        return new_id
    found = session.execute(
        select(RequestKey.fingerprint, RequestKey.resource_id).where(
            RequestKey.user_id == user_id, RequestKey.key == key
        )
    ).one()
    if found.fingerprint != fingerprint:
        raise KeyUsedOtherwise
    first_id: UUID = found.resource_id
    return first_id


def forget_old_keys(session: Session, *, now: datetime) -> None:
    """Delete the keys that nobody will send again."""
    session.execute(delete(RequestKey).where(RequestKey.created_at < now - KEPT))


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()
