"""Whom to blame when the process dies: redelivered events, which may have ended the process that had them before.

All that a dead process had in its hands comes again, most of it innocent. So redelivered events are first handled
together, a few at a time. When the process dies again, those few are handled alone, each after a note in the database
that it begins: only who is alone can be blamed.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from messaging.tables import SuspectEvent

#: Redelivered events that are handled together, at most.
COMPANY = 20
#: An event is given up when the process died this often while handling it alone.
FATAL_STARTS = 2

_IDS = bindparam("event_ids", type_=ARRAY(Uuid))
_IN_COMPANY = text("""
    INSERT INTO suspect (event_id, starts) SELECT unnest(CAST(:event_ids AS uuid[])), 0
    ON CONFLICT DO NOTHING RETURNING event_id
""").bindparams(_IDS)


def begin_in_company(session: Session, event_ids: Collection[UUID]) -> set[UUID]:
    """Note that these are about to be handled together; return those that may: the process has not died of them yet."""
    return set(session.scalars(_IN_COMPANY, {"event_ids": list(event_ids)}))


def begin_alone(session: Session, event_id: UUID, *, once_more: bool) -> int:
    """Note that the event is about to be handled alone; return by how many processes that was begun by now.

    `once_more`: by this one it was begun before.
    """
    row = insert(SuspectEvent).values(event_id=event_id, starts=1)
    starts = SuspectEvent.starts + (0 if once_more else 1)
    counted = row.on_conflict_do_update(index_elements=["event_id"], set_={"starts": starts})
    return session.scalars(counted.returning(SuspectEvent.starts)).one()


def clear(session: Session, event_ids: Collection[UUID]) -> None:
    """The process outlived these."""
    session.execute(delete(SuspectEvent).where(SuspectEvent.event_id == any_(_IDS)), {"event_ids": list(event_ids)})
