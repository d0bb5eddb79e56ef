"""A dead letter as the message that stands for it in the dead-letter queue."""

from messaging.dead_letters.rules import Label, death_headers, living_headers
from messaging.sender import SENT_BY
from messaging.tables import HeldMessage
from messaging.topology import dead_exchange
from messaging.transport import Message


def dead_message(letter: HeldMessage, head: bytes, service: str) -> Message:
    """Return the message. `head`: of the body, as much as the queue is to show."""
    label = Label(letter.id, letter.deaths)
    why = death_headers(label, reason=letter.reason, detail=letter.detail, attempts=letter.attempts)
    origin = {"routing-key": letter.properties.get("routing_key") or ""}
    return Message(
        tag=0,
        exchange=dead_exchange(service),
        routing_key="",
        body=head,
        content_type=letter.content_type,
        # One without an id of its own is to be known again.
        message_id=letter.properties.get("message_id") or str(letter.id),
        type=letter.type,
        app_id=letter.properties.get("app_id") or "",
        correlation_id=letter.properties.get("correlation_id") or "",
        timestamp=letter.properties.get("timestamp"),
        # First, since a reader drops the last of too many; known or not, or it would be sent by ourselves.
        headers={
            SENT_BY: letter.properties.get("sent_by") or "",
            **living_headers(letter.headers),
            **origin,
            **why,
        },
    )
