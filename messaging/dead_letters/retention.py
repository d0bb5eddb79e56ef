"""How long a letter is kept after it was replayed or discarded. What people decided about it is kept for good."""

from datetime import timedelta

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from messaging.dead_letters.rules import OPEN
from messaging.tables import DeadLetter, DeadLetterAction

#: Letters deleted in one statement: their bodies can be large.
_DELETE_AT_ONCE = 200


def delete_closed(session: Session, *, older_than: timedelta) -> int:
    """Delete one small batch of letters with which nothing has happened for longer than this; return how many.

    Open letters stay however old they are. The history of a letter stays too: it says who decided what, and it is only
    ever added to.
    """
    lately = exists().where(DeadLetterAction.letter_id == DeadLetter.id, DeadLetterAction.at >= func.now() - older_than)
    closed = select(DeadLetter.id).where(
        DeadLetter.state.not_in(OPEN), DeadLetter.died_at < func.now() - older_than, ~lately
    )
    batch = closed.order_by(DeadLetter.position).limit(_DELETE_AT_ONCE)
    return len(session.scalars(delete(DeadLetter).where(DeadLetter.id.in_(batch)).returning(DeadLetter.id)).all())
