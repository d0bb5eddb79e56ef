"""What a request with an Idempotency-Key has created, and how it was answered.

Key and answer are written in the transaction that creates the thing, so there is never one without the other; a request
that is refused leaves nothing behind, and may be sent again under its key.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import DateTime, Text, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from chassis.db import utc_now
from chassis.errors import KeyUsedOtherwise

#: A key that is older stands for a new request.
KEPT = timedelta(hours=24)


class RequestKeyTable:
    """Mixin for a service's table of keys and answers. A service adds a `__tablename__`."""

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    #: Its digest: a key may be any text, even one that Postgres cannot keep.
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    #: Tells the same request from another one under the same key.
    fingerprint: Mapped[str] = mapped_column(Text)
    #: The answer.
    status: Mapped[int]
    body: Mapped[str] = mapped_column(Text)
    location: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)


@dataclass(frozen=True)
class Answer:
    """What is answered to a request that created something."""

    #: As in HTTP.
    status: int
    body: str
    location: str | None = None


def once(
    session: Session,
    table: type[RequestKeyTable],
    *,
    user_id: UUID,
    key: str | None,
    what: object,
    make: Callable[[], Answer],
) -> Answer:
    """Return what `make` returns, or what it returned when this person first sent this key; without a key, make anew.

    `what` is the request, as far as it can be written as JSON. Waits for a twin that is under way.
    Raises KeyUsedOtherwise when the key came with another request, and what `make` raises.
    """
    if key is None:
        return make()
    key, fingerprint = _digest(key), _digest(json.dumps(what, sort_keys=True, default=str))
    if not _claim(session, table, user_id, key, fingerprint):
        columns = (table.fingerprint, table.status, table.body, table.location)
        found = session.execute(select(*columns).where(table.user_id == user_id, table.key == key)).one()
        if found.fingerprint != fingerprint:
            raise KeyUsedOtherwise
        return Answer(found.status, found.body, found.location)
    answer = make()
    session.execute(
        update(table)
        .where(table.user_id == user_id, table.key == key)
        .values(status=answer.status, body=answer.body, location=answer.location)
    )
    return answer


def forget_old_keys(session: Session, table: type[RequestKeyTable], *, now: datetime) -> None:
    """Delete the keys that count no longer."""
    session.execute(delete(table).where(table.created_at < now - KEPT))


def _claim(session: Session, table: type[RequestKeyTable], user_id: UUID, key: str, fingerprint: str) -> bool:
    """Write the key down, in place of one that counts no longer; False if it is there already."""
    now = utc_now()
    fresh = {"fingerprint": fingerprint, "status": 0, "body": "", "location": None, "created_at": now}
    claim = (
        insert(table)
        .values(user_id=user_id, key=key, **fresh)
        .on_conflict_do_update(
            index_elements=[table.user_id, table.key], set_=fresh, where=table.created_at < now - KEPT
        )
        .returning(table.key)
    )
    return session.execute(claim).first() is not None


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()
