"""How fast events flow through a service: what it publishes and handles in a minute, and what waits in its queue."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from messaging.tables import ConsumerBacklog, InboxEvent
from messaging.transport import QueueState

#: Rows of the outbox that are looked at: beside the newest, and before the oldest that is pending.
_LOOKED_AT = 10_000

# There is no index on published_at, which every mark would pay. What was published lately stands at the end of the
# outbox, or, in a backlog, before the oldest that is pending.
_PUBLISHED = text("""
    WITH ends AS (
        SELECT (SELECT max(id) FROM outbox) AS newest,
               (SELECT min(id) FROM outbox WHERE published_at IS NULL) AS oldest_pending
    ), lately AS (
        SELECT published_at FROM ends JOIN outbox ON id > newest - :looked_at
         WHERE published_at >= now() - interval '1 minute'
        UNION ALL
        SELECT published_at FROM ends JOIN outbox ON id > oldest_pending - :looked_at AND id < oldest_pending
         WHERE id <= newest - :looked_at AND published_at >= now() - interval '1 minute'
    )
    SELECT count(*), extract(epoch FROM now() - min(published_at)) FROM lately
""")


@dataclass(frozen=True)
class Backlog:
    """What the consumer last saw in its queue."""

    #: Messages that waited to be delivered.
    ready: int
    #: Consumers that were subscribed to it.
    consumers: int
    measured_at: datetime


def published_per_minute(session: Session) -> int:
    """Return how many events the broker has confirmed in the last minute; an estimate if they are very many."""
    count, seconds = session.execute(_PUBLISHED, {"looked_at": _LOOKED_AT}).one()
    if count < _LOOKED_AT:
        return int(count)
    return int(count * 60 / max(1.0, min(60.0, float(seconds))))


def handled_per_minute(session: Session) -> int:
    """Return how many events were handled in the last minute."""
    lately = InboxEvent.handled_at >= func.now() - text("interval '1 minute'")
    return session.scalars(select(func.count()).select_from(InboxEvent).where(lately)).one()


def consumer_backlog(session: Session) -> Backlog | None:
    """Return what the consumer last saw in its queue; None before it has looked."""
    found = session.get(ConsumerBacklog, 1)
    return None if found is None else Backlog(found.ready, found.consumers, found.measured_at)


def remember_backlog(session: Session, state: QueueState) -> None:
    """Write down how the queue stands now."""
    seen = {"ready": state.ready, "consumers": state.consumers, "measured_at": func.now()}
    row = insert(ConsumerBacklog).values(id=1, **seen)
    session.execute(row.on_conflict_do_update(index_elements=["id"], set_=seen))
