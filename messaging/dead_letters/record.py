"""The consumer's side: a message died, for the first time or again."""

import hashlib
import math
from collections.abc import Collection, Iterator
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from messaging.dead_letters.rules import Action, Label, State
from messaging.envelope import Event
from messaging.errors import PermanentError
from messaging.tables import DeadLetter, DeadLetterAction
from messaging.transport import Delivery


def record_dead_letter(session: Session, delivery: Delivery, error: PermanentError, *, attempts: int) -> Label:
    """Write down why the message could not be handled. Return the label that its twin in the queue has to carry.

    A letter that died before is brought back to life as a letter: dead again, with the new reason, attempts and time.
    """
    values = {
        "type": delivery.type or delivery.routing_key,
        "reason": error.reason,
        "detail": str(error),
        "attempts": attempts,
        "content_type": delivery.content_type,
        "headers": delivery.headers,
        "properties": {
            "message_id": delivery.message_id,
            "app_id": delivery.app_id,
            "correlation_id": delivery.correlation_id,
            "timestamp": delivery.timestamp,
        },
    }
    storable = {name: _storable(value) for name, value in values.items()}
    label = next(filter(None, (_record(session, i, delivery.body, storable) for i in _possible_ids(delivery))))
    session.add(DeadLetterAction(letter_id=label.letter_id, action=Action.DIED, detail=storable["reason"]))
    return label


def letters_that_stand(session: Session, letter_ids: Collection[UUID]) -> dict[bytes, DeadLetter]:
    """Return these letters by the body of their message: another one that has taken its id is not that message."""
    if not letter_ids:
        return {}
    letters = session.scalars(select(DeadLetter).where(DeadLetter.id.in_(letter_ids)))
    return {letter.body: letter for letter in letters}


def _possible_ids(delivery: Delivery) -> Iterator[UUID]:
    """Yield the id of the event or else of the message; and if another message has taken that, one of its own."""
    try:
        letter_id = Event.from_bytes(delivery.body).id
    except PermanentError:
        try:
            letter_id = UUID(delivery.message_id)
        except ValueError:
            letter_id = uuid4()
    yield letter_id
    yield uuid5(letter_id, hashlib.sha256(delivery.body).hexdigest())


def _record(session: Session, letter_id: UUID, body: bytes, values: dict[str, Any]) -> Label | None:
    """Insert or update the letter; None if there is one of this id with another body."""
    row = insert(DeadLetter).values(id=letter_id, body=body, **values)
    found = session.execute(
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
            where=DeadLetter.body == row.excluded.body,
        ).returning(DeadLetter.id, DeadLetter.deaths)
    ).one_or_none()
    return Label(*found) if found else None


def _storable(value: Any) -> Any:
    """Return the value as Postgres can keep it: no NUL, no half of a surrogate pair, no number that is none."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode().replace("\0", "?")  # not longer: a header's name has a limit
    if isinstance(value, dict):
        return {str(_storable(str(name))): _storable(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _storable(str(value))
