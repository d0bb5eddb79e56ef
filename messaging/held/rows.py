"""A message as a row of the table, and a row as the delivery that it was."""

import hashlib
from collections.abc import Collection
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from messaging.envelope import Event
from messaging.errors import NotFromItsProducer, PermanentError
from messaging.held.states import State
from messaging.sender import SENT_BY, require_its_producer, sent_by
from messaging.tables import HeldMessage
from messaging.topology import events_queue
from messaging.transport import Delivery

#: A row that the migration made for an event on its way back: without a message, and without what is known of one.
PLACEHOLDER: ColumnElement[bool] = and_(HeldMessage.body == b"", HeldMessage.properties == {})
#: The rows that hold back every other copy of their message: it is to be handled from here, not at all, or edited.
HOLDS_BACK: ColumnElement[bool] = or_(HeldMessage.state != State.REPLAYED, HeldMessage.replacement.is_not(None))


def row_ids(delivery: Delivery, error: PermanentError | None = None) -> tuple[UUID, ...]:
    """Return the ids that its row can have: that of the event or else of the message, or a new one if it has none.

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


def event_of(delivery: Delivery, error: PermanentError) -> Event | None:
    """Return what the message is, though it died of this, if its producer has sent it; None if nobody knows."""
    if isinstance(error, NotFromItsProducer):
        return None
    try:
        event = Event.from_bytes(delivery.body)
        require_its_producer(delivery, event)
    except PermanentError:
        return None
    return event


def message_values(delivery: Delivery) -> dict[str, Any]:
    """Return what is kept of a message."""
    return {
        "type": delivery.type or delivery.routing_key,
        "body": delivery.body,
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


def delivery_of(row: HeldMessage, service: str) -> Delivery:
    """Return the message as one that the service has sent to itself, with the name of its first sender."""
    said = row.properties
    return Delivery(
        tag=0,
        connection=0,
        body=row.body,
        content_type=row.content_type,
        routing_key=events_queue(service),
        message_id=said.get("message_id") or str(row.id),
        type=row.type,
        app_id=said.get("app_id") or "",
        correlation_id=said.get("correlation_id") or "",
        timestamp=said.get("timestamp"),
        headers={**row.headers, SENT_BY: said.get("sent_by") or ""},
        redelivered=False,
        user_id=service,
    )


def same_message(delivery: Delivery) -> tuple[bytes, str]:
    """Return what copies of a message have in common: not the id, which another one may have taken."""
    return delivery.body, delivery.content_type


def messages_held_back(session: Session, ids: Collection[UUID]) -> set[tuple[bytes, str]]:
    """Return the messages, by `same_message`, whose copies these rows hold back."""
    if not ids:
        return set()
    wanted = select(HeldMessage.body, HeldMessage.content_type).where(HeldMessage.id.in_(ids), HOLDS_BACK)
    return {(row.body, row.content_type) for row in session.execute(wanted)}
