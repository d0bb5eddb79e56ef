"""How long a letter is kept after it was replayed or discarded. What people decided about it is kept for good."""

from datetime import timedelta

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from messaging.held.states import State
from messaging.tables import DeadLetterAction, HeldMessage

#: Letters deleted in one statement: their bodies can be large.
_DELETE_AT_ONCE = 200


def delete_closed(session: Session, *, older_than: timedelta) -> int:
    """Delete one small batch of letters with which nothing has happened for longer than this; return how many.

    Open letters stay however old they are. The history of a letter stays too: it says who decided what, and it is only
    ever added to.
    """
    since = func.now() - older_than
    lately = exists().where(DeadLetterAction.letter_id == HeldMessage.id, DeadLetterAction.at >= since)
    done_with = HeldMessage.state.in_((State.REPLAYED, State.DISCARDED))
    closed = select(HeldMessage.id).where(done_with, HeldMessage.died_at < since, ~lately)
    batch = closed.order_by(HeldMessage.position).limit(_DELETE_AT_ONCE)
    return len(session.scalars(delete(HeldMessage).where(HeldMessage.id.in_(batch)).returning(HeldMessage.id)).all())
