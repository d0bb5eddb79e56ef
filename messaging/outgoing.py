"""An event of the outbox as the message that goes out: the same whether for the first time or once more."""

from messaging.envelope import CONTENT_TYPE
from messaging.outbox_reader import PendingEvent
from messaging.transport import Message


def outgoing(event: PendingEvent, *, exchange: str, routing_key: str) -> Message:
    """Return the message. Its tag is the id of the event's row."""
    return Message(
        tag=event.id,
        exchange=exchange,
        routing_key=routing_key,
        body=event.body,
        content_type=CONTENT_TYPE,
        message_id=event.event_id,
        type=event.type,
        app_id=event.type.partition(".")[0],
        correlation_id=event.correlation_id,
        timestamp=int(event.created_at),
        headers={"subject": event.subject, "sequence": event.sequence},
    )
