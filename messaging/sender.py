"""Who sent a message first, and whether that is the producer of its event.

RabbitMQ closes the channel of whoever publishes under another `user_id` than his own
(https://www.rabbitmq.com/docs/validated-user-id). What a consumer sends on itself, to a wait queue or from its dead
letters, bears its own user, and names the first sender in a header.
"""

from collections.abc import Mapping
from typing import Any

from messaging.envelope import Event
from messaging.errors import NotFromItsProducer
from messaging.topology import events_queue, replay_key
from messaging.transport import Delivery

#: Header of a message that a service sends on to itself: the user who sent it first, empty if that is not known.
SENT_BY = "sent-by"
#: Stands there for an event that a person has edited among the dead letters; no user has this name.
DESK = "dead-letter desk"


def trusted_headers(headers: Mapping[str, Any], *, user_id: str, own: str) -> dict[str, Any]:
    """Return the headers of a message of this user, as `own`, who receives it, may believe them."""
    return {name: value for name, value in headers.items() if name != SENT_BY or user_id == own}


def sent_by(delivery: Delivery) -> str:
    """Return the user who sent the message first; empty if that is not known."""
    found = delivery.headers.get(SENT_BY, delivery.user_id)
    return found if isinstance(found, str) else ""


def require_its_producer(delivery: Delivery, event: Event, service: str) -> None:
    """Raise NotFromItsProducer unless user, routing key and event name the same producer."""
    sender, sent_on = sent_by(delivery), SENT_BY in delivery.headers
    if sender != event.producer and not (sent_on and sender == DESK):
        raise NotFromItsProducer(f"{event.type} was sent by {sender or 'an unknown user'}, not by {event.producer}")
    keys = (events_queue(service),) if sent_on else (event.type, replay_key(service, event.type))
    if delivery.routing_key not in keys:
        raise NotFromItsProducer(f"{event.type} was sent by {sender} under the routing key {delivery.routing_key!r}")
