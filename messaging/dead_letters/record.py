"""The consumer's side: a message died, for the first time or again."""

import hashlib
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import and_, not_, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from messaging.dead_letters.rules import BURIED, Action, State, storable
from messaging.envelope import Event
from messaging.errors import NotFromItsProducer, PermanentError
from messaging.sender import require_its_producer, sent_by
from messaging.tables import DeadLetter, DeadLetterAction
from messaging.transport import Delivery

#: The letters that hold back every other copy of their message: it is not to be handled, or not as it was.
HOLDS_BACK = or_(DeadLetter.state.in_(BURIED), DeadLetter.replacement.is_not(None))


def letter_ids(delivery: Delivery, error: PermanentError | None = None) -> tuple[UUID, ...]:
    """Return the ids that its letter can have: that of the event or else of the message, or a new one if it has none.

    And in case that another message has taken this one, a second that follows from what it says. What is not from its
    producer has an id that no event can claim, or it would hold back the event of which it is a copy.
    """
    forged = isinstance(error, NotFromItsProducer)
    try:
        event = Event.from_bytes(delivery.body)
        first = event.id
        require_its_producer(delivery, event)
    except NotFromItsProducer:
        forged = True
    except PermanentError:
        try:
            first = UUID(delivery.message_id)
        except ValueError:
            first = uuid4()
    said = delivery.content_type.encode(errors="replace") + b"\0" + delivery.body
    second = uuid5(first, hashlib.sha256(said).hexdigest())
    return (uuid5(second, NotFromItsProducer.reason),) if forged else (first, second)


def record_dead_letter(
    session: Session, ids: Sequence[UUID], delivery: Delivery, error: PermanentError, *, attempts: int
) -> DeadLetter | None:
    """Write down why the message could not be handled, under the first of its `letter_ids` that no other has taken.

    A letter whose replay failed is dead again, with the new reason, attempts and time. None if one holds copies back.
    """
    values = letter_values(delivery, error, attempts=attempts)
    for letter_id in ids:
        letter = _record(session, letter_id, delivery.body, values)
        if letter is not None:
            session.add(DeadLetterAction(letter_id=letter.id, action=Action.DIED, detail=error.reason))
            return letter
        if same_message(delivery) in holding_letters(session, ids):
            return None
    raise AssertionError(f"two messages have one digest: {ids}")


def letter_values(delivery: Delivery, error: PermanentError, *, attempts: int) -> dict[str, Any]:
    """Return what is kept of a message beside its body, and why it died."""
    return {
        "type": delivery.type or delivery.routing_key,
        "reason": error.reason,
        "detail": storable(str(error)),
        "attempts": attempts,
        "content_type": delivery.content_type,
        "headers": delivery.headers,
        "properties": {
            "message_id": delivery.message_id,
            "app_id": delivery.app_id,
            "correlation_id": delivery.correlation_id,
            "timestamp": delivery.timestamp,
            "routing_key": delivery.routing_key,
            "sent_by": sent_by(delivery),
        },
    }


def same_message(delivery: Delivery) -> tuple[bytes, str]:
    """Return what copies of a message have in common: not the id, which another one may have taken."""
    return delivery.body, delivery.content_type


def holding_letters(session: Session, ids: Collection[UUID]) -> dict[tuple[bytes, str], DeadLetter]:
    """Return those of these letters that hold back copies, by `same_message`; locked: nobody decides meanwhile."""
    if not ids:
        return {}
    wanted = select(DeadLetter).where(DeadLetter.id.in_(ids), HOLDS_BACK).order_by(DeadLetter.id).with_for_update()
    return {(letter.body, letter.content_type): letter for letter in session.scalars(wanted)}


def _record(session: Session, letter_id: UUID, body: bytes, values: dict[str, Any]) -> DeadLetter | None:
    """Insert or update the letter; None if one of this id is of another message, or holds copies back."""
    row = insert(DeadLetter).values(id=letter_id, body=body, **values)
    return session.scalars(
        row.on_conflict_do_update(
            index_elements=["id"],
            set_={
                **{name: row.excluded[name] for name in values},
                "state": State.DEAD,
                "deaths": DeadLetter.deaths + 1,
                "replacement": None,
                "position": row.excluded.position,
                "died_at": row.excluded.died_at,
            },
            where=and_(
                DeadLetter.body == row.excluded.body,
                DeadLetter.content_type == row.excluded.content_type,
                not_(HOLDS_BACK),
            ),
        ).returning(DeadLetter),
        execution_options={"populate_existing": True},
    ).one_or_none()
