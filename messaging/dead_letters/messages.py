"""A letter as a message: alive, on its way to be handled once more, or dead, as its twin in the dead-letter queue."""

from messaging.dead_letters.rules import Label, death_headers, living_headers
from messaging.envelope import CONTENT_TYPE, Event
from messaging.sender import DESK, SENT_BY
from messaging.tables import DeadLetter
from messaging.topology import dead_exchange, events_queue, requeue_exchange
from messaging.transport import Message


def living_message(letter: DeadLetter, service: str) -> Message:
    """Return the message that goes back to the service's events, edited or as it was, as if it had never been tried."""
    exchange, routing_key = requeue_exchange(service), events_queue(service)
    if letter.replacement is None:
        return _message(letter, exchange, routing_key, living_headers(letter.headers))
    event = Event.from_bytes(letter.replacement)
    return Message(
        tag=0,
        exchange=exchange,
        routing_key=routing_key,
        body=letter.replacement,
        content_type=CONTENT_TYPE,
        message_id=str(event.id),
        type=event.type,
        app_id=event.producer,
        correlation_id=str(event.correlation_id),
        timestamp=int(event.time.timestamp()),
        headers={SENT_BY: DESK, "subject": event.subject, "sequence": event.sequence},
    )


def dead_message(letter: DeadLetter, service: str) -> Message:
    """Return the message that stands for the letter in the dead-letter queue."""
    label = Label(letter.id, letter.deaths)
    why = death_headers(label, reason=letter.reason, detail=letter.detail, attempts=letter.attempts)
    origin = {"routing-key": letter.properties.get("routing_key") or ""}
    return _message(letter, dead_exchange(service), "", living_headers(letter.headers) | origin | why)


def _message(letter: DeadLetter, exchange: str, routing_key: str, headers: dict[str, object]) -> Message:
    return Message(
        tag=0,
        exchange=exchange,
        routing_key=routing_key,
        body=letter.body,
        content_type=letter.content_type,
        # One without an id of its own is to be known again if it dies again.
        message_id=letter.properties.get("message_id") or str(letter.id),
        type=letter.type,
        app_id=letter.properties.get("app_id") or "",
        correlation_id=letter.properties.get("correlation_id") or "",
        timestamp=letter.properties.get("timestamp"),
        # First, since a reader drops the last of too many; known or not, or it would be sent by ourselves.
        headers={SENT_BY: letter.properties.get("sent_by") or "", **headers},
    )
