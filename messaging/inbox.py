"""What a consumer remembers in its own database: what it handled, what waits, what it suspects."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from messaging.envelope import Event
from messaging.tables import SuspectEvent, WaitingEvent

#: A waiting event that is this late will not come: somebody took it out of its wait queue. Nobody waits for it.
_OVERDUE = timedelta(minutes=10)

# One array and not one parameter for each id: the statement is then compiled once, whatever the size of the batch.
_REMEMBER = text("""
    INSERT INTO inbox (event_id) SELECT unnest(CAST(:event_ids AS uuid[])) ON CONFLICT DO NOTHING RETURNING event_id
""").bindparams(bindparam("event_ids", type_=ARRAY(Uuid)))

_LINES = select(WaitingEvent.event_id, WaitingEvent.aggregate, WaitingEvent.sequence, WaitingEvent.retry_at).where(
    WaitingEvent.aggregate == any_(bindparam("aggregates", type_=ARRAY(Text)))
)


@dataclass(frozen=True)
class Lines:
    """The events that wait, by aggregate: sequence -> when it is expected back."""

    waiting: dict[str, dict[int, datetime]]

    @property
    def anybody(self) -> bool:
        """Tell whether anybody waits in these lines."""
        return bool(self.waiting)

    def ask(self, aggregate: str, sequence: int) -> datetime | None:
        """Return None if the event may be handled, and let it leave its line; else when the head will be back."""
        line = self.waiting.get(aggregate)
        if not line:
            return None
        head = min(line)
        if head < sequence:
            line[sequence] = line[head]  # from now on others wait behind this one, too
            return line[head]
        line.pop(sequence, None)
        return None


def lines(session: Session, aggregates: Collection[str]) -> Lines:
    """Return the lines of these aggregates."""
    found: dict[str, dict[int, datetime]] = {}
    overdue: list[UUID] = []
    deadline = datetime.now(UTC) - _OVERDUE
    for event_id, aggregate, sequence, retry_at in session.execute(_LINES, {"aggregates": list(aggregates)}):
        if retry_at < deadline:
            overdue.append(event_id)
        else:
            found.setdefault(aggregate, {})[sequence] = retry_at
    if overdue:
        stop_waiting(session, overdue)
    return Lines(found)


def resume_waiting(session: Session) -> None:
    """Count what is overdue from now on: while no consumer ran, nobody could have come back."""
    session.execute(update(WaitingEvent).values(retry_at=func.greatest(WaitingEvent.retry_at, func.now())))


def wait(session: Session, event: Event, aggregate: str, retry_at: datetime) -> None:
    """Put the event in its line, or say anew when it comes back."""
    row = insert(WaitingEvent).values(
        event_id=event.id, aggregate=aggregate, sequence=event.sequence, retry_at=retry_at
    )
    session.execute(row.on_conflict_do_update(index_elements=["event_id"], set_={"retry_at": row.excluded.retry_at}))


def stop_waiting(session: Session, event_ids: Collection[UUID]) -> None:
    """Take the events out of the lines they may be in: they are handled, or dead."""
    session.execute(delete(WaitingEvent).where(WaitingEvent.event_id.in_(event_ids)))


def remember(session: Session, event_ids: Collection[UUID]) -> set[UUID]:
    """Write the ids into the inbox; return those that were not there, which have yet to be handled."""
    if not event_ids:
        return set()
    return set(session.scalars(_REMEMBER, {"event_ids": list(event_ids)}))


def start_suspect(session: Session, event_id: UUID) -> int:
    """Note that the event is about to be handled alone; return how often that was started by now."""
    row = insert(SuspectEvent).values(event_id=event_id, starts=1)
    return session.scalars(
        row.on_conflict_do_update(index_elements=["event_id"], set_={"starts": SuspectEvent.starts + 1}).returning(
            SuspectEvent.starts
        )
    ).one()


def clear_suspect(session: Session, event_id: UUID) -> None:
    """The process outlived the event."""
    session.execute(delete(SuspectEvent).where(SuspectEvent.event_id == event_id))
