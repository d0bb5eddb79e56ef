"""The names of exchanges and queues and how each is declared: the one place that knows.

Only arguments that RabbitMQ 3.10 and 4.x both know (https://www.rabbitmq.com/docs/quorum-queues#feature-matrix).

    events exchange --(producer.event.*)--> <service>.events --> the consumer

    <service>.dead exchange --> <service>.dead    a message for each dead letter, for the management console

    replay exchange --(<service>.#)--> <service>.replay --> a replay, in place of the consumer
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

#: Where events go when no `exchange` is named.
DEFAULT_EXCHANGE = "events"

#: RabbitMQ 4 drops a message after 20 deliveries unless told otherwise; who kills the process is found by
#: the consumer long before, and an innocent neighbour is never to be dropped, nor what a person looked at often.
_DELIVERY_LIMIT = 10_000

#: Events that nobody asked for are kept for a look; the outbox has them all.
_UNROUTED_MAX_LENGTH = 100_000
#: Of the events that are known and that nobody reads, the latest are kept for a look.
_UNREAD_MAX_LENGTH = 1_000

Arguments = dict[str, str | int | bool]


@dataclass(frozen=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str
    arguments: Arguments = field(default_factory=dict)


@dataclass(frozen=True)
class Queue:
    """A durable quorum queue."""

    name: str
    arguments: Arguments = field(default_factory=dict)


@dataclass(frozen=True)
class Binding:
    """Messages of the exchange whose routing key fits go to the queue."""

    exchange: str
    queue: str
    routing_key: str


@dataclass(frozen=True)
class Topology:
    """Things to declare, in this order: exchanges, queues, bindings."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]


def events_queue(service: str) -> str:
    """The queue with everything that the service subscribed to."""
    return f"{service}.events"


def dead_exchange(service: str) -> str:
    """Where a message is sent that cannot be handled."""
    return f"{service}.dead"


def dead_queue(service: str) -> str:
    """The dead letters of the service."""
    return f"{service}.dead"


def unrouted_name(exchange: str) -> str:
    """The alternate exchange, and its queue, for events that nobody subscribed to."""
    return _beside(exchange, "unrouted")


def unread_queue(exchange: str) -> str:
    """The queue for events of known types that nobody subscribed to: they are not among the unrouted."""
    return _beside(exchange, "unread")


def replay_exchange(exchange: str) -> str:
    """Where events go once more that are meant for one consumer only."""
    return _beside(exchange, "replay")


def replay_queue(service: str) -> str:
    """The queue with the events that are replayed to the service alone."""
    return f"{service}.replay"


def replay_key(service: str, type: str) -> str:
    """The routing key of an event that is replayed to the service: it names both sides, so that rights can be given."""
    return f"{service}.{type}"


def shared_topology(exchange: str = DEFAULT_EXCHANGE, *, unread: Iterable[str] = ()) -> Topology:
    """What belongs to no service: declared once by the administrator.

    `unread`: types that have a schema and no subscriber. What is unrouted then is of a type that nobody knows.
    """
    unrouted, unread_events = unrouted_name(exchange), unread_queue(exchange)
    return Topology(
        exchanges=(
            Exchange(unrouted, "fanout"),
            Exchange(exchange, "topic", {"alternate-exchange": unrouted}),
            Exchange(replay_exchange(exchange), "topic"),
        ),
        queues=(
            Queue(unrouted, _latest(_UNROUTED_MAX_LENGTH)),
            Queue(unread_events, _latest(_UNREAD_MAX_LENGTH)),
        ),
        bindings=(
            Binding(unrouted, unrouted, ""),
            *(Binding(exchange, unread_events, type) for type in sorted(unread)),
        ),
    )


def dead_letter_topology(service: str) -> Topology:
    """What the mirror of the dead letters needs: a part of what the consumer declares."""
    dead = dead_exchange(service)
    return Topology(
        exchanges=(Exchange(dead, "fanout"),),
        queues=(Queue(dead_queue(service), {"x-queue-type": "quorum", "x-delivery-limit": _DELIVERY_LIMIT}),),
        bindings=(Binding(dead, dead_queue(service), ""),),
    )


def consumer_topology(service: str, names: Iterable[str], *, exchange: str = DEFAULT_EXCHANGE) -> Topology:
    """What a consumer of these events (names without version) needs: declared by itself when it starts."""
    events, replay = events_queue(service), replay_queue(service)
    dead, gives_up_to = dead_letter_topology(service), dead_exchange(service)
    return Topology(
        exchanges=dead.exchanges,
        queues=(
            Queue(events, {"x-single-active-consumer": True, **_quorum(gives_up_to, events)}),
            *dead.queues,
            Queue(replay, {"x-single-active-consumer": True, **_quorum(gives_up_to, replay)}),
        ),
        bindings=(
            *dead.bindings,
            # Last, for they need what others declare.
            *(Binding(exchange, events, f"{name}.*") for name in sorted(names)),
            Binding(replay_exchange(exchange), replay, replay_key(service, "#")),
        ),
    )


def definitions(topologies: Iterable[Topology], vhost: str) -> dict[str, list[dict[str, object]]]:
    """Return the topologies as a definitions file of RabbitMQ has them, for a broker that knows them from the start.

    A queue has to be there before the first event is published: what nobody is subscribed to is not delivered later.
    https://www.rabbitmq.com/docs/definitions
    """
    durable = {"vhost": vhost, "durable": True, "auto_delete": False}
    found: dict[str, list[dict[str, object]]] = {"exchanges": [], "queues": [], "bindings": []}
    for topology in topologies:
        found["exchanges"] += [
            {**durable, "name": e.name, "type": e.kind, "internal": False, "arguments": e.arguments}
            for e in topology.exchanges
        ]
        found["queues"] += [{**durable, "name": q.name, "arguments": q.arguments} for q in topology.queues]
        found["bindings"] += [
            {
                "vhost": vhost,
                "source": b.exchange,
                "destination": b.queue,
                "destination_type": "queue",
                "routing_key": b.routing_key,
                "arguments": {},
            }
            for b in topology.bindings
        ]
    return found


def _beside(exchange: str, name: str) -> str:
    return f"{exchange.removesuffix('events').rstrip('.')}.{name}".lstrip(".")


def _latest(length: int) -> Arguments:
    """A quorum queue that keeps the latest messages for a look and lets older ones go."""
    return {
        "x-queue-type": "quorum",
        "x-max-length": length,
        "x-overflow": "drop-head",
        "x-delivery-limit": _DELIVERY_LIMIT,
    }


def _quorum(dead_letters_to: str, routing_key: str) -> Arguments:
    """A quorum queue that hands on what expires or is given up only once the next queue has confirmed it.

    https://www.rabbitmq.com/docs/quorum-queues#activating-at-least-once-dead-lettering
    """
    return {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": dead_letters_to,
        "x-dead-letter-routing-key": routing_key,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-delivery-limit": _DELIVERY_LIMIT,
    }
