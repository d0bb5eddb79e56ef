"""What one service's database knows of a thread of causes: all that has the same correlation id, in whatever service.

The outbox has the events that the service made. The inbox knows only ids: who wants to know which events of others it
has handled names them. docs/decisions/0031-one-timeline.md says why.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, TextClause, Uuid, bindparam, or_, select, text
from sqlalchemy.orm import Session

from messaging.tables import HeldMessage

# Of ids drawn at random Postgres believes that Bloom filters rule nothing out, and would rather read everything. It is
# told otherwise for the rest of the transaction.
_BY_INDEX = text("SELECT set_config('enable_seqscan', 'off', true)")
_IDS = bindparam("event_ids", type_=ARRAY(Uuid))
# Found by the index and only then put in order: with LIMIT alone Postgres might read the outbox from its beginning.
_MADE = text("""
    WITH found AS MATERIALIZED (SELECT id FROM outbox WHERE correlation_id = :correlation_id)
    SELECT event_id, type, subject, sequence, created_at, published_at, convert_from(body, 'UTF8') AS body,
           (SELECT count(*) FROM found) AS total
      FROM outbox WHERE id IN (SELECT id FROM found ORDER BY id LIMIT :limit) ORDER BY id
""")
# When a transaction was committed is known where `track_commit_timestamp` is on, until its row is frozen.
_HANDLED = text("""
    SELECT event_id, handled_at,
           CASE WHEN current_setting('track_commit_timestamp')::boolean
                THEN pg_xact_commit_timestamp(xmin) END AS committed_at
      FROM inbox WHERE event_id = ANY(CAST(:event_ids AS uuid[]))
""").bindparams(_IDS)
_THREADS = """
    SELECT correlation_id, min(created_at) AS since, (array_agg(type ORDER BY id))[1] AS type, count(*) AS events
      FROM outbox WHERE {} GROUP BY correlation_id ORDER BY max(id) DESC LIMIT :limit
"""
_THREADS_OF_SUBJECT = text(_THREADS.format("subject = :subject"))
_THREADS_OF_ID = text(_THREADS.format("correlation_id = :id OR event_id = :id OR subject = :subject"))


@dataclass(frozen=True)
class MadeEvent:
    """An event that this service has published, or is about to."""

    id: UUID
    type: str
    subject: str
    sequence: int
    #: The event whose handling made it; None if a request or a job did.
    cause_id: UUID | None
    data: dict[str, Any]
    made_at: datetime
    #: None while it is pending.
    published_at: datetime | None


@dataclass(frozen=True)
class HandledEvent:
    """An event that this service has handled, perhaps together with others."""

    id: UUID
    #: When the transaction of its effect began, and when it was committed; None where the server does not say.
    began_at: datetime
    committed_at: datetime | None


@dataclass(frozen=True)
class HeldEvent:
    """A message of the thread that was in trouble here, or is."""

    id: UUID
    type: str
    #: One of `held.states.State`.
    state: str
    reason: str
    attempts: int
    #: When it died last, or was first held.
    at: datetime


@dataclass(frozen=True)
class Thread:
    """Events of one correlation id, of which something is known here."""

    correlation_id: UUID
    #: Of its first event that was made here; if there is none, of one that was in trouble.
    since: datetime
    type: str
    #: How many were made here.
    events: int


def events_made(session: Session, correlation_id: UUID, *, limit: int) -> tuple[list[MadeEvent], int]:
    """Return the first `limit` events of the thread that were made here, in their order, and how many there are."""
    session.execute(_BY_INDEX)
    rows = session.execute(_MADE, {"correlation_id": correlation_id, "limit": limit}).all()
    made = []
    for row in rows:
        envelope = json.loads(row.body)
        cause = envelope.get("causationid")
        made.append(
            MadeEvent(
                row.event_id,
                row.type,
                row.subject,
                row.sequence,
                UUID(cause) if cause else None,
                envelope["data"],
                row.created_at,
                row.published_at,
            )
        )
    return made, rows[0].total if rows else 0


def events_handled(session: Session, event_ids: Collection[UUID]) -> list[HandledEvent]:
    """Return those of these events that this service has handled."""
    rows = session.execute(_HANDLED, {"event_ids": list(event_ids)})
    return [HandledEvent(row.event_id, row.handled_at, row.committed_at) for row in rows]


def events_held(session: Session, correlation_id: UUID, event_ids: Collection[UUID], *, limit: int) -> list[HeldEvent]:
    """Return what is or was in trouble here of this thread, or of these events; at most `limit`."""
    of_thread = HeldMessage.properties["correlation_id"].astext == str(correlation_id)
    rows = session.execute(
        select(
            HeldMessage.id,
            HeldMessage.type,
            HeldMessage.state,
            HeldMessage.reason,
            HeldMessage.attempts,
            HeldMessage.died_at,
        )
        .where(or_(of_thread, HeldMessage.id.in_(event_ids)))
        .order_by(HeldMessage.died_at)
        .limit(limit)
    )
    return [HeldEvent(*row) for row in rows]


def threads_of(session: Session, what: str, *, limit: int) -> list[Thread]:
    """Return the threads of causes that have to do with `what`, the newest first.

    `what` is a correlation id, the id of an event, or an event's subject, which is the public id of an aggregate.
    """
    statement: TextClause = _THREADS_OF_SUBJECT
    wanted: dict[str, object] = {"subject": what, "limit": limit}
    id = _uuid_or_none(what)
    if id is not None:
        statement = _THREADS_OF_ID
        wanted |= {"id": id, "subject": str(id)}
    session.execute(_BY_INDEX)
    found = {row.correlation_id: Thread(*row) for row in session.execute(statement, wanted)}
    for thread in _threads_in_trouble(session, id, limit=limit):
        found.setdefault(thread.correlation_id, thread)
    return list(found.values())


def _threads_in_trouble(session: Session, id: UUID | None, *, limit: int) -> Iterator[Thread]:
    """Yield the threads of held messages: their event may be in no outbox any more, or never was."""
    if id is None:
        return
    correlation_id = HeldMessage.properties["correlation_id"].astext
    held = select(correlation_id, HeldMessage.died_at, HeldMessage.type)
    for named, at, type in session.execute(
        held.where(or_(correlation_id == str(id), HeldMessage.id == id)).limit(limit)
    ):
        yield Thread(_uuid_or_none(named or "") or id, at, type, events=0)


def _uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
