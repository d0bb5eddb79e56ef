"""A message that was received, read as an event of a subscription."""

from collections.abc import Container
from dataclasses import dataclass
from uuid import UUID

from messaging.envelope import CONTENT_TYPE, MAX_BYTES, Event
from messaging.errors import NotAnEvent, PermanentError, TooLarge, UnknownType, WrongContentType
from messaging.schemas import SchemaRegistry
from messaging.sender import require_its_producer, require_its_routing_key
from messaging.transport import Delivery


@dataclass(frozen=True)
class HeldRow:
    """A row of the events in trouble whose message is to be handled: see `messaging.held`."""

    id: UUID
    #: Tries that failed so far.
    attempts: int
    #: Another process began to handle it, and never came to an end.
    suspected: bool
    #: In whose line it stands; None if it could never be read as an event.
    aggregate: str | None
    #: As the service would have sent it to itself.
    delivery: Delivery


@dataclass(frozen=True)
class Received:
    """An event that was read and found valid, in its newest version."""

    delivery: Delivery
    event: Event
    #: Where it comes from, if not from the queue.
    row: HeldRow | None = None

    @property
    def key(self) -> UUID:
        """The id that its row has, or would have."""
        return self.event.id if self.row is None else self.row.id

    @property
    def suspected(self) -> bool:
        """Whether it perhaps ended the process that handled it."""
        return self.row is not None and self.row.suspected

    @property
    def attempts(self) -> int:
        """How often it was tried before."""
        return 0 if self.row is None else self.row.attempts

    @property
    def aggregate(self) -> str:
        """Whose order it has to keep."""
        return self.event.aggregate


def read(
    delivery: Delivery,
    *,
    service: str,
    subscribed: Container[str],
    registry: SchemaRegistry,
    row: HeldRow | None = None,
) -> Received:
    """Return the event. Raises a PermanentError that says why this message is none for this service.

    And nothing else, whatever a stranger sent: it would end the process, and again whenever the message is delivered.
    """
    try:
        return Received(delivery, _read(delivery, service, subscribed, registry), row)
    except (PermanentError, MemoryError):
        raise
    except Exception as error:
        raise NotAnEvent(f"it cannot be read: {error!r}") from error


def _read(delivery: Delivery, service: str, subscribed: Container[str], registry: SchemaRegistry) -> Event:
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
    return registry.upcast(event)


def about(delivery: Delivery, event: Event | None) -> dict[str, str]:
    """What every log line about the message carries beside its text. Without an event, what the message claims."""
    if event is None:
        found = (delivery.correlation_id, delivery.message_id, delivery.type)
    else:
        found = (str(event.correlation_id), str(event.id), event.type)
    return dict(zip(("correlation_id", "event_id", "event_type"), found, strict=True))
