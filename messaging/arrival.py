"""Has what one service has published arrived at another? Asked in the databases of both, a page at a time."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, func, select, text
from sqlalchemy.orm import Session

from messaging.tables import OutboxEvent

# One statement, so that an event that is handled at this very moment is seen before or after, and not missed between.
_NOT_ARRIVED = text("""
    SELECT published FROM unnest(CAST(:event_ids AS uuid[])) AS published
     WHERE NOT EXISTS (SELECT FROM inbox WHERE event_id = published)
       AND NOT EXISTS (SELECT FROM held_message WHERE id = published)
""").bindparams(bindparam("event_ids", type_=ARRAY(Uuid)))


class Published(NamedTuple):
    """An event that the broker has confirmed."""

    #: Of its row in the outbox.
    id: int
    event_id: UUID
    created_at: datetime


def published_events(
    session: Session, names: Collection[str], *, after: int, since: datetime, until: datetime, limit: int
) -> Sequence[Published]:
    """Return events of these names (without versions) in the order of the outbox, behind the row `after`.

    Those made at `since` or later and published at `until` or earlier.
    """
    wanted = select(OutboxEvent.id, OutboxEvent.event_id, OutboxEvent.created_at).where(
        OutboxEvent.id > after,
        OutboxEvent.published_at <= until,
        OutboxEvent.created_at >= since,
        func.substring(OutboxEvent.type, r"^(.*)\.v").in_(sorted(names)),
    )
    return [Published(*row) for row in session.execute(wanted.order_by(OutboxEvent.id).limit(limit))]


def not_arrived(session: Session, event_ids: Collection[UUID]) -> set[UUID]:
    """Return those of these events that this service has not handled and does not hold."""
    return set(session.scalars(_NOT_ARRIVED, {"event_ids": list(event_ids)}))
