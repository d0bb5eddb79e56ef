"""The first sender of a message, and the check that this is the producer of its event.

RabbitMQ closes the channel of whoever publishes under another `user_id` than his own
(https://www.rabbitmq.com/docs/validated-user-id). A message in the dead-letter
queue, or of one that is held, bears the user of the service itself, and names the first sender in a header.
"""

from messaging.envelope import Event
from messaging.errors import NotFromItsProducer
from messaging.topology import events_queue, replay_key
from messaging.transport import Delivery

#: Header of a message that a service has sent to itself, or holds: who sent it first, empty if that is not known.
SENT_BY = "sent-by"
#: Stands there for an event that a person has edited among the dead letters; no user has this name.
DESK = "dead-letter desk"


def sent_by(delivery: Delivery) -> str:
    """Return the user who sent the message first; empty if that is not known."""
    found = delivery.headers.get(SENT_BY, delivery.user_id)
    return found if isinstance(found, str) else ""


def is_sent_on(delivery: Delivery) -> bool:
    """Tell whether the service that receives the message sent it to itself."""
    return SENT_BY in delivery.headers


def require_its_producer(delivery: Delivery, event: Event) -> None:
    """Raise NotFromItsProducer unless the event's producer sent the message, or a person who edited it."""
    sender = sent_by(delivery)
    if sender != event.producer and not (is_sent_on(delivery) and sender == DESK):
        raise NotFromItsProducer(f"{event.type} was sent by {sender or 'an unknown user'}, not by {event.producer}")


def require_its_routing_key(delivery: Delivery, event: Event, service: str) -> None:
    """Raise NotFromItsProducer unless the message came to the service by the way that is its producer's alone."""
    keys = (events_queue(service),) if is_sent_on(delivery) else (event.type, replay_key(service, event.type))
    if delivery.routing_key not in keys:
        sender = sent_by(delivery)
        raise NotFromItsProducer(f"{event.type} was sent by {sender} under the routing key {delivery.routing_key!r}")
