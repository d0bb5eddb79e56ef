"""The transactional outbox: an event is written with the state change it tells of, or not at all.

https://microservices.io/patterns/data/transactional-outbox.html
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, delete, event, func, insert, inspect, select
from sqlalchemy.orm import Session, SessionTransaction, scoped_session, sessionmaker

from messaging.database import AnySession, session_of
from messaging.envelope import Event
from messaging.errors import ForeignEvent, OutboxNotBound
from messaging.schemas import SchemaRegistry
from messaging.tables import InboxEvent, OutboxEvent, RelayProgress
from messaging.wakeup import Waker

_REGISTRY = "messaging.registry"
_PRODUCER = "messaging.producer"
_PUBLISHED = "messaging.published"
_UNWRITTEN = "messaging.unwritten"
_COMMITTING = "messaging.committing"
#: Without the unit of work of SQLAlchemy, which would cost a request 0.2 ms more.
_INSERT = insert(OutboxEvent).inline()

#: Rows deleted in one statement: small enough that nobody waits for it.
_DELETE_AT_ONCE = 1000


def bind_outbox(
    sessions: sessionmaker[Any] | scoped_session[Any],
    registry: SchemaRegistry,
    engine: Engine,
    *,
    producer: str | None = None,
) -> Waker:
    """Let `publish` work with every session made from now on, and wake the relay after each commit that published.

    `sessions`: a sessionmaker, or a scoped session around one, such as `db.session` of Flask-SQLAlchemy.
    `producer`: only its events can be published, as when the broker takes no others from it; None is anybody.

    The relay is woken over a connection of its own after the commit: NOTIFY inside the transaction
    would take a lock at commit that all writers of the database share.
    """
    waker = Waker(engine)
    if isinstance(sessions, scoped_session):
        sessions = sessions.session_factory
    sessions.configure(info={**(sessions.kw.get("info") or {}), _REGISTRY: registry, _PRODUCER: producer})

    def wake_after_commit(session: Session) -> None:
        # The release of a savepoint comes here as well, and commits nothing.
        if not session.in_nested_transaction() and session.info.pop(_PUBLISHED, False):
            waker.wake()

    event.listen(sessions, "after_commit", wake_after_commit)
    event.listen(sessions, "before_commit", _write_before_commit)
    event.listen(sessions, "after_transaction_create", _write_before_savepoint)
    event.listen(sessions, "after_transaction_end", _forget_unwritten)
    return waker


def publish(session: AnySession, event: Event) -> None:
    """Add the event to the caller's transaction: it is sent once that commits, and never if it does not.

    The caller holds the lock of the event's aggregate, as `VersionedAggregate.next_sequence` takes it, so the order of
    outbox ids is the order of the aggregate's sequence.
    Raises OutboxNotBound, ForeignEvent, UnknownType, SchemaInvalid or TooLarge, and then nothing was added.
    """
    session = session_of(session)
    registry: SchemaRegistry | None = session.info.get(_REGISTRY)
    if registry is None:
        raise OutboxNotBound("this session's sessionmaker never went through messaging.bind_outbox()")
    producer = session.info[_PRODUCER]
    if producer not in (None, event.producer):
        raise ForeignEvent(f"{producer} publishes no events of {event.producer}: {event.type}")
    registry.validate(event)
    row = {
        "event_id": event.id,
        "type": event.type,
        "subject": event.subject,
        "sequence": event.sequence,
        "correlation_id": event.correlation_id,
        "body": event.to_bytes(),
        "created_at": event.time,
    }
    if not session.in_transaction():
        session.begin()
    session.info[_PUBLISHED] = True
    if session.info.get(_COMMITTING):
        _write(session, [row])
    else:
        session.info.setdefault(_UNWRITTEN, []).append(row)


def unwritten_events(session: Session) -> list[str]:
    """Return the types of the events that this transaction would write when it commits."""
    return [row["type"] for row in session.info.get(_UNWRITTEN, ())]


# Events of a transaction are written together when it commits; those that its last flush brings, at once. Unwritten
# ones always belong to the innermost transaction: a savepoint begins with those before it written, and one that is
# rolled back takes its own along.


def _write_before_commit(session: Session) -> None:
    session.info[_COMMITTING] = True
    if rows := session.info.pop(_UNWRITTEN, None):
        _write(session, rows)


def _write(session: Session, rows: list[dict[str, Any]]) -> None:
    session.connection(bind_arguments={"mapper": OutboxEvent}).execute(_INSERT, rows)


def _write_before_savepoint(session: Session, transaction: SessionTransaction) -> None:
    parent = transaction.parent
    if transaction.nested and parent is not None and (rows := session.info.pop(_UNWRITTEN, None)):
        parent.connection(inspect(OutboxEvent)).execute(
            _INSERT, rows
        )  # by the session it would go inside the savepoint


def _forget_unwritten(session: Session, transaction: SessionTransaction) -> None:
    if transaction.nested or transaction.parent is None:  # and not one that a flush makes for itself
        session.info.pop(_UNWRITTEN, None)
        session.info.pop(_COMMITTING, None)


@dataclass(frozen=True)
class OutboxStatus:
    """How far the relay is behind the commits."""

    pending: int
    #: Seconds since the oldest pending event was made; None when nothing is pending.
    oldest_pending_seconds: float | None
    #: Events ever confirmed by the broker, those already deleted included.
    published_total: int


def outbox_status(session: Session) -> OutboxStatus:
    """Return how many events are pending and since when."""
    waiting = OutboxEvent.published_at.is_(None)
    pending, oldest, total = session.execute(
        select(
            select(func.count()).where(waiting).scalar_subquery(),
            select(OutboxEvent.created_at).where(waiting).order_by(OutboxEvent.id).limit(1).scalar_subquery(),
            select(RelayProgress.published_total).scalar_subquery(),
        )
    ).one()
    age = None if oldest is None else max(0.0, (datetime.now(UTC) - oldest).total_seconds())
    return OutboxStatus(pending, age, total or 0)


@dataclass(frozen=True)
class PendingView:
    """A pending event in a list."""

    id: UUID
    type: str
    subject: str
    sequence: int
    correlation_id: UUID
    created_at: datetime


def list_pending(session: Session, *, limit: int) -> list[PendingView]:
    """Return the pending events in the order of publication, at most `limit`."""
    rows = session.execute(
        select(
            OutboxEvent.event_id,
            OutboxEvent.type,
            OutboxEvent.subject,
            OutboxEvent.sequence,
            OutboxEvent.correlation_id,
            OutboxEvent.created_at,
        )
        .where(OutboxEvent.published_at.is_(None))
        .order_by(OutboxEvent.id)
        .limit(limit)
    )
    return [PendingView(*row) for row in rows]


def delete_published(session: Session, *, older_than: timedelta) -> int:
    """Delete one small batch of confirmed events made longer ago than this; return how many, 0 when all are gone.

    It looks at the oldest confirmed ones only, by their key: pending events are passed over, however many there are.
    """
    oldest = (
        select(OutboxEvent.id, OutboxEvent.created_at)
        .where(OutboxEvent.published_at.is_not(None))
        .order_by(OutboxEvent.id)
        .limit(_DELETE_AT_ONCE)
        .subquery()
    )
    old = select(oldest.c.id).where(oldest.c.created_at < func.now() - older_than)
    return _rowcount(session.execute(delete(OutboxEvent).where(OutboxEvent.id.in_(old))))


def delete_handled(session: Session, *, older_than: timedelta) -> int:
    """Delete one small batch of inbox rows older than this; return how many.

    It has to be longer than any event can take to come again: retries, an operator's replay, a broker that was away.
    """
    old = select(InboxEvent.event_id).where(InboxEvent.handled_at < func.now() - older_than).limit(_DELETE_AT_ONCE)
    return _rowcount(session.execute(delete(InboxEvent).where(InboxEvent.event_id.in_(old))))


def _rowcount(result: object) -> int:
    return int(getattr(result, "rowcount", 0))
