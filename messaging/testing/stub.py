"""A broker in memory, for unit tests: routes, confirms and redelivers as RabbitMQ does, within one process.

It passes the same tests as RabbitMQ does.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Self

from messaging.dead_letters.rules import trusted_headers
from messaging.errors import TopologyConflict
from messaging.topology import Exchange, Queue, Topology
from messaging.transport import Delivery, Message, Outcome, Publisher, QueueState, Receiver


@dataclass
class _StoredMessage:
    message: Message
    user_id: str
    redelivered: bool = False


@dataclass
class _StoredQueue:
    declared: Queue
    ready: deque[_StoredMessage] = field(default_factory=deque)
    consumers: int = 0


class StubBroker:
    """Exchanges and queues in memory. Thread-safe."""

    def __init__(self, *, user: str = "guest") -> None:
        """Start empty; `user` sends and receives."""
        self.user = user
        self._exchanges: dict[str, Exchange] = {}
        self._queues: dict[str, _StoredQueue] = {}
        self._bindings: set[tuple[str, str, str]] = set()
        self.changed = threading.Condition(threading.RLock())

    def as_user(self, user: str) -> Self:
        """Return the same broker for another user."""
        other = copy(self)
        other.user = user
        return other

    def declare(self, topology: Topology) -> None:
        """See `Broker`."""
        with self.changed:
            for exchange in topology.exchanges:
                if self._exchanges.setdefault(exchange.name, exchange) != exchange:
                    raise TopologyConflict(f"exchange {exchange.name!r} exists with other arguments")
            for queue in topology.queues:
                if self._queues.setdefault(queue.name, _StoredQueue(queue)).declared != queue:
                    raise TopologyConflict(f"queue {queue.name!r} exists with other arguments")
            self._bindings |= {(b.exchange, b.queue, b.routing_key) for b in topology.bindings}

    def publisher(self, on_news: Callable[[], None] = lambda: None) -> Publisher:
        """See `Broker`."""
        return StubPublisher(self, on_news)

    def receiver(self, queue: str, prefetch: int) -> Receiver:
        """See `Broker`."""
        return StubReceiver(self, queue, prefetch)

    def queue_state(self, queue: str) -> QueueState:
        """See `Broker`."""
        with self.changed:
            found = self._queues[queue]
            return QueueState(len(found.ready), found.consumers)

    def count_consumer(self, queue: str, change: int) -> None:
        """Note that somebody begins (+1) or ends (-1) to receive from the queue."""
        with self.changed:
            self._queues[queue].consumers += change

    def route(self, message: Message, user_id: str | None = None) -> bool:
        """Put a message, by default our own, into every queue that it is bound for; False if there is none."""
        with self.changed:
            names = self._targets(message.exchange, message.routing_key)
            for name in names:
                self._queues[name].ready.append(_StoredMessage(message, user_id or self.user))
            self.changed.notify_all()
            return bool(names)

    def take(self, queue: str) -> _StoredMessage | None:
        """Take the first message that is ready."""
        with self.changed:
            ready = self._queues[queue].ready
            return ready.popleft() if ready else None

    def give_back(self, queue: str, messages: Sequence[_StoredMessage]) -> None:
        """Put messages back where they were, marked as redelivered."""
        with self.changed:
            self._queues[queue].ready.extendleft(replace(m, redelivered=True) for m in reversed(messages))
            self.changed.notify_all()

    def _targets(self, exchange: str, routing_key: str) -> set[str]:
        declared = self._exchanges[exchange]
        names = {
            queue
            for source, queue, pattern in self._bindings
            if source == exchange and _fits(declared.kind, pattern, routing_key)
        }
        alternate = declared.arguments.get("alternate-exchange")
        return names or (self._targets(str(alternate), routing_key) if alternate else set())


def _fits(kind: str, pattern: str, routing_key: str) -> bool:
    if kind == "fanout":
        return True
    if kind == "direct":
        return pattern == routing_key
    expression = re.escape(pattern).replace(r"\*", "[^.]+").replace(r"\#", ".*")
    return re.fullmatch(expression, routing_key) is not None


class StubPublisher:
    """Confirms at once."""

    def __init__(self, broker: StubBroker, on_news: Callable[[], None]) -> None:
        """Take the broker to publish to, and who wants to hear of outcomes."""
        self._broker = broker
        self._on_news = on_news
        self._outcomes: list[Outcome] = []

    def wait_until_connected(self, timeout: float) -> bool:  # noqa: ARG002
        """See `Publisher`."""
        return True

    def obstacle(self) -> str:
        """See `Publisher`."""
        return ""

    def send(self, messages: Sequence[Message]) -> None:
        """See `Publisher`."""
        self.send_chains((message,) for message in messages)

    def send_chains(self, chains: Iterable[Sequence[Message]]) -> None:
        """See `Publisher`."""
        for chain in chains:
            for message in chain:
                routed = self._broker.route(message)
                self._outcomes.append(Outcome(message.tag, routed, "" if routed else "returned: NO_ROUTE"))
                if not routed:
                    break
        self._on_news()

    def outcomes(self, timeout: float) -> list[Outcome]:  # noqa: ARG002
        """See `Publisher`."""
        found, self._outcomes = self._outcomes, []
        return found

    def close(self) -> None:
        """See `Publisher`."""


class StubReceiver:
    """Receives from one queue."""

    def __init__(self, broker: StubBroker, queue: str, prefetch: int) -> None:
        """Take the queue to receive from."""
        self._broker = broker
        self._queue = queue
        self._prefetch = prefetch
        self._tag = 0
        self._unsettled: dict[int, _StoredMessage] = {}
        broker.count_consumer(queue, 1)

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """See `Receiver`."""
        deadline = time.monotonic() + timeout
        while True:
            found = self._take(min(limit, self._prefetch - len(self._unsettled)))
            if found or time.monotonic() >= deadline:
                return found
            with self._broker.changed:
                self._broker.changed.wait(min(0.02, timeout))

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """See `Receiver`."""
        for delivery in deliveries:
            self._unsettled.pop(delivery.tag, None)

    def obstacle(self) -> str:
        """See `Receiver`."""
        return ""

    def close(self) -> None:
        """See `Receiver`."""
        self._broker.give_back(self._queue, list(self._unsettled.values()))
        self._unsettled = {}
        self._broker.count_consumer(self._queue, -1)

    def _take(self, limit: int) -> list[Delivery]:
        found: list[Delivery] = []
        while len(found) < limit and (stored := self._broker.take(self._queue)) is not None:
            self._tag += 1
            self._unsettled[self._tag] = stored
            found.append(_delivery(self._tag, stored, own=self._broker.user))
        return found


def _delivery(tag: int, stored: _StoredMessage, *, own: str) -> Delivery:
    message = stored.message
    return Delivery(
        tag=tag,
        connection=1,
        body=message.body,
        content_type=message.content_type,
        routing_key=message.routing_key,
        message_id=message.message_id,
        type=message.type,
        app_id=message.app_id,
        correlation_id=message.correlation_id,
        timestamp=message.timestamp,
        headers=trusted_headers(message.headers, user_id=stored.user_id, own=own),
        redelivered=stored.redelivered,
        user_id=stored.user_id,
    )
