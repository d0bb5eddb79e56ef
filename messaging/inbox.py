"""What a consumer remembers in its own database of what it has handled, and whether a replay is under way."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, select, text
from sqlalchemy.orm import Session

from messaging.tables import InboxEvent, OngoingReplay

# One array and not one parameter for each id: the statement is then compiled once, whatever the size of the batch.
_IDS = bindparam("event_ids", type_=ARRAY(Uuid))
_REMEMBER = text("""
    INSERT INTO inbox (event_id) SELECT unnest(CAST(:event_ids AS uuid[])) ON CONFLICT DO NOTHING RETURNING event_id
""").bindparams(_IDS)
_HANDLED = text("SELECT event_id FROM inbox WHERE event_id = ANY(CAST(:event_ids AS uuid[]))").bindparams(_IDS)


def replay_under_way(session: Session) -> UUID | None:
    """Return the run of the replay for which others are to pause; it does not begin before this transaction ends."""
    return session.scalars(select(OngoingReplay.run)).one_or_none()


def remember(session: Session, event_ids: Collection[UUID]) -> set[UUID]:
    """Write the ids into the inbox; return those that were not there, which have yet to be handled."""
    if not event_ids:
        return set()
    return set(session.scalars(_REMEMBER, {"event_ids": list(event_ids)}))


def handled(session: Session, event_ids: Collection[UUID]) -> set[UUID]:
    """Return those of these events that are in the inbox."""
    return set(session.scalars(_HANDLED, {"event_ids": list(event_ids)}))


def is_or_will_be_handled(session: Session, event_id: UUID) -> bool:
    """Tell whether the event is in the inbox, also by somebody's transaction that is not over yet: wait for its end."""
    with session.begin_nested() as savepoint:
        new = remember(session, [event_id])
        savepoint.rollback()
    return not new


def was_handled(session: Session, event_id: UUID) -> bool:
    """Tell whether the event is in the inbox."""
    return session.get(InboxEvent, event_id) is not None
