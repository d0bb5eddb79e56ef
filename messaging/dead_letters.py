"""The dead letters of a service: recorded in its database beside the message in its dead-letter queue."""

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_OID, UUID, uuid5

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from messaging.envelope import Event
from messaging.errors import PermanentError
from messaging.tables import DeadLetter
from messaging.transport import Delivery


@dataclass(frozen=True)
class DeadLetterView:
    """A dead letter as a person reads it."""

    id: UUID
    #: Where it stands in the list: pass it as `after` to go on behind it.
    position: int
    type: str
    reason: str
    detail: str
    attempts: int
    died_at: datetime
    #: The envelope if the body is JSON, otherwise the body as text with what is no UTF-8 replaced.
    event: object


def record_dead_letter(
    session: Session, delivery: Delivery, event: Event | None, error: PermanentError, *, attempts: int
) -> str:
    """Write down why the message could not be handled; the same message is written once. Return the letter's id."""
    letter_id = event.id if event else uuid5(NAMESPACE_OID, delivery.message_id + delivery.body.hex())
    session.execute(
        insert(DeadLetter)
        .values(
            id=letter_id,
            type=delivery.type or delivery.routing_key,
            reason=error.reason,
            detail=str(error),
            attempts=attempts,
            body=delivery.body,
            content_type=delivery.content_type,
            headers=json.loads(json.dumps(delivery.headers, default=str)),
        )
        .on_conflict_do_nothing()
    )
    return str(letter_id)


def list_dead_letters(
    session: Session,
    *,
    limit: int,
    after: int = 0,
    type: str | None = None,
    reason: str | None = None,
) -> list[DeadLetterView]:
    """Return dead letters in the order they died, at most `limit`, behind position `after`."""
    wanted = select(DeadLetter).where(DeadLetter.position > after).order_by(DeadLetter.position).limit(limit)
    if type is not None:
        wanted = wanted.where(DeadLetter.type == type)
    if reason is not None:
        wanted = wanted.where(DeadLetter.reason == reason)
    return [_view(letter) for letter in session.scalars(wanted)]


def _view(letter: DeadLetter) -> DeadLetterView:
    return DeadLetterView(
        id=letter.id,
        position=letter.position,
        type=letter.type,
        reason=letter.reason,
        detail=letter.detail,
        attempts=letter.attempts,
        died_at=letter.died_at,
        event=_readable(letter.body),
    )


def _readable(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
