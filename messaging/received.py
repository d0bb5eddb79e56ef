"""A message that was received, read as an event of a subscription."""

from collections.abc import Container
from dataclasses import dataclass

from messaging.envelope import CONTENT_TYPE, MAX_BYTES, Event
from messaging.errors import NotAnEvent, PermanentError, TooLarge, UnknownType, WrongContentType
from messaging.schemas import SchemaRegistry
from messaging.sender import require_its_producer, require_its_routing_key
from messaging.transport import Delivery

#: More are not counted: the number has to fit into a column.
_MOST_ATTEMPTS = 1_000_000


@dataclass(frozen=True)
class Received:
    """An event that was read and found valid, in its newest version."""

    delivery: Delivery
    event: Event

    @property
    def aggregate(self) -> str:
        """Whose order it has to keep: subjects are unique only within their producer."""
        return f"{self.event.producer}/{self.event.subject}"


def read(delivery: Delivery, *, service: str, subscribed: Container[str], registry: SchemaRegistry) -> Received:
    """Return the event. Raises a PermanentError that says why this message is none for this service.

    And nothing else, whatever a stranger sent: it would end the process, and again whenever the message is delivered.
    """
    try:
        return _read(delivery, service, subscribed, registry)
    except (PermanentError, MemoryError):
        raise
    except Exception as error:
        raise NotAnEvent(f"it cannot be read: {error!r}") from error


def _read(delivery: Delivery, service: str, subscribed: Container[str], registry: SchemaRegistry) -> Received:
    if delivery.unreadable:
        raise NotAnEvent(f"its headers cannot be read: {delivery.unreadable}")
    if len(delivery.body) > MAX_BYTES:
        raise TooLarge(f"{len(delivery.body)} bytes are more than the {MAX_BYTES} that an event may have")
    if delivery.content_type != CONTENT_TYPE:
        raise WrongContentType(f"content type {delivery.content_type!r} is not {CONTENT_TYPE!r}")
    event = Event.from_bytes(delivery.body)
    require_its_producer(delivery, event)
    require_its_routing_key(delivery, event, service)
    if event.name not in subscribed:
        raise UnknownType(f"{service} does not handle {event.name!r}")
    registry.validate(event)
    return Received(delivery, registry.upcast(event))


def attempts_so_far(delivery: Delivery) -> int:
    """Return how often the message was tried before, by our own header."""
    value = delivery.headers.get("attempts", 0)
    return min(max(value, 0), _MOST_ATTEMPTS) if isinstance(value, int) else 0


def about(delivery: Delivery, event: Event | None) -> dict[str, str]:
    """What every log line about the message carries beside its text. Without an event, what the message claims."""
    if event is None:
        found = (delivery.correlation_id, delivery.message_id, delivery.type)
    else:
        found = (str(event.correlation_id), str(event.id), event.type)
    return dict(zip(("correlation_id", "event_id", "event_type"), found, strict=True))
