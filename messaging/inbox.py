"""What a consumer remembers in its own database: what it handled, and what waits."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CompoundSelect,
    Text,
    Uuid,
    any_,
    bindparam,
    delete,
    func,
    literal_column,
    null,
    select,
    text,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from messaging.dead_letters.record import HOLDS_BACK
from messaging.envelope import Event
from messaging.tables import DeadLetter, InboxEvent, OngoingReplay, WaitingEvent

# One array and not one parameter for each id: the statement is then compiled once, whatever the size of the batch.
_REMEMBER = text("""
    INSERT INTO inbox (event_id) SELECT unnest(CAST(:event_ids AS uuid[])) ON CONFLICT DO NOTHING RETURNING event_id
""").bindparams(bindparam("event_ids", type_=ARRAY(Uuid)))

# One statement for three questions: each of the others would cost every batch a way to the database.
_KNOWN: CompoundSelect[str, Any, Any, Any, Any] = union_all(
    select(
        literal_column("'waiting'"),
        WaitingEvent.event_id,
        WaitingEvent.aggregate,
        WaitingEvent.sequence,
        WaitingEvent.retry_at,
    ).where(WaitingEvent.aggregate == any_(bindparam("aggregates", type_=ARRAY(Text)))),
    select(literal_column("'dead'"), DeadLetter.id, null(), null(), null()).where(
        DeadLetter.id == any_(bindparam("event_ids", type_=ARRAY(Uuid))),
        HOLDS_BACK,
    ),
    select(literal_column("'replay'"), OngoingReplay.run, null(), null(), null()),
)


@dataclass(frozen=True)
class Known:
    """What the database says about a batch before it is handled."""

    #: The events that wait, by aggregate: sequence -> when it is expected back.
    waiting: dict[str, dict[int, datetime]] = field(default_factory=dict)
    #: Events of which a copy died, or was sent on edited: they are not to be handled.
    dead: set[UUID] = field(default_factory=set)
    #: The run of the replay that is under way, for which others are to pause.
    replay: UUID | None = None
    #: Aggregate and sequence of those for which nobody waits any more.
    lost: set[tuple[str, int]] = field(default_factory=set)

    @property
    def anybody_waits(self) -> bool:
        """Tell whether anybody waits in the lines of these aggregates."""
        return bool(self.waiting)

    def ask(self, aggregate: str, sequence: int, *, lost_before: datetime | None = None) -> datetime | None:
        """Return None if the event may be handled, and let it leave its line; else when the head will be back.

        `lost_before`: who was to be back before that time will not come, and is not waited for.
        """
        line = self.waiting.get(aggregate)
        if not line:
            return None
        for earlier, retry_at in list(line.items()):
            if lost_before is not None and earlier < sequence and retry_at < lost_before:
                del line[earlier]
                self.lost.add((aggregate, earlier))
        if not line:
            return None
        head = min(line)
        if head < sequence:
            line[sequence] = line[head]  # from now on others wait behind this one, too
            return line[head]
        line.pop(sequence, None)
        return None

    def wait(self, aggregate: str, sequence: int, back_at: datetime) -> None:
        """Say when an event that has to wait in line will be back itself."""
        self.waiting[aggregate][sequence] = back_at


def look_up(session: Session, aggregates: Collection[str], event_ids: Collection[UUID]) -> Known:
    """Return what is known of these aggregates and events, and whether a replay is under way."""
    waiting: dict[str, dict[int, datetime]] = {}
    dead: set[UUID] = set()
    replay: UUID | None = None
    rows = session.execute(_KNOWN, {"aggregates": list(aggregates), "event_ids": list(event_ids)})
    for what, key, aggregate, sequence, retry_at in rows:
        if what == "waiting":
            waiting.setdefault(aggregate, {})[sequence] = retry_at
        elif what == "dead":
            dead.add(key)
        else:
            replay = key
    return Known(waiting, dead, replay)


def replay_under_way(session: Session) -> UUID | None:
    """Return the run of the replay for which others are to pause; it does not begin before this transaction ends."""
    return session.scalars(select(OngoingReplay.run)).one_or_none()


def resume_waiting(session: Session) -> None:
    """Count from now on how late they are: while the consumer had no connection, nobody could have come back."""
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


def give_up(session: Session, lost: Collection[tuple[str, int]]) -> None:
    """Take out of their lines those of this aggregate and sequence."""
    if lost:
        session.execute(delete(WaitingEvent).where(tuple_(WaitingEvent.aggregate, WaitingEvent.sequence).in_(lost)))


def remember(session: Session, event_ids: Collection[UUID]) -> set[UUID]:
    """Write the ids into the inbox; return those that were not there, which have yet to be handled."""
    if not event_ids:
        return set()
    return set(session.scalars(_REMEMBER, {"event_ids": list(event_ids)}))


def was_handled(session: Session, event_id: UUID) -> bool:
    """Tell whether the event is in the inbox."""
    return session.get(InboxEvent, event_id) is not None


def count_waiting(session: Session) -> int:
    """Return how many events wait for their next attempt, or in line behind one that does."""
    return session.scalars(select(func.count()).select_from(WaitingEvent)).one()
