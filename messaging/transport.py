"""What relay and consumer ask of a broker: `broker/` does it with RabbitMQ, `testing/stub.py` in memory."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from messaging.topology import Topology


class Message(NamedTuple):
    """A message to be sent. It is persistent, and it is an error if no queue takes it."""

    #: The sender's own mark for it: comes back with the outcome.
    tag: int
    exchange: str
    routing_key: str
    body: bytes
    content_type: str
    #: The AMQP properties that an operator wants to see in the management console.
    message_id: str = ""
    type: str = ""
    app_id: str = ""
    correlation_id: str = ""
    #: Seconds since the epoch.
    timestamp: int | None = None
    headers: Mapping[str, Any] = MappingProxyType({})


class Outcome(NamedTuple):
    """What became of a message: confirmed (every queue it was routed to has it), or not, and why."""

    tag: int
    confirmed: bool
    reason: str = ""
    #: The message cannot be encoded, so it was not sent, and never will be.
    hopeless: bool = False
    #: The connection was lost before the broker answered: it may have the message or not.
    lost: bool = False


@dataclass(frozen=True)
class Delivery:
    """A message received, to be settled with `Receiver.ack`. Its texts have no NUL: they can be stored."""

    tag: int
    #: Which connection it came over: it cannot be settled over another.
    connection: int
    body: bytes
    content_type: str
    routing_key: str
    message_id: str
    type: str
    app_id: str
    correlation_id: str
    timestamp: int | None
    #: JSON values, a few levels deep. What came with it beyond that was made so, or left out. Who first sent a message
    #: is in them only if we ourselves have sent it on: see `messaging.sender`.
    headers: dict[str, Any]
    redelivered: bool
    #: The user who published it, as the broker has checked; empty if the message names none.
    user_id: str = ""
    #: Why the headers cannot be read, in words; empty if they can.
    unreadable: str = ""


@dataclass(frozen=True)
class QueueState:
    """A queue at a moment."""

    #: Messages that wait to be delivered; those in somebody's hands are not counted.
    ready: int
    #: Consumers that are subscribed to it.
    consumers: int


class Publisher(Protocol):
    """Sends messages without waiting, each with its user's name, and reports the outcomes. Reconnects by itself."""

    def wait_until_connected(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds; tell whether messages can be sent."""
        ...

    def obstacle(self) -> str:
        """Say in words what keeps messages from being sent, such as an alarm of the broker's; empty if nothing does."""
        ...

    def send(self, messages: Sequence[Message]) -> None:
        """Hand the messages over, in order. Each gets one outcome; without a connection they wait for the next one."""
        ...

    def send_chains(self, chains: Iterable[Sequence[Message]]) -> None:
        """Hand chains of messages over: of each one message is on its way, the next is sent when that is confirmed.

        Their outcomes come in the order of the chain. A message that is not confirmed ends it: those behind it are not
        sent and have no outcome.
        """
        ...

    def outcomes(self, timeout: float) -> list[Outcome]:
        """Return the outcomes so far; if there are none, wait up to `timeout` seconds for some."""
        ...

    def close(self) -> None:
        """Close the connection; what is unconfirmed by then has no outcome."""
        ...


class Receiver(Protocol):
    """Receives from one queue. Reconnects by itself: what was not settled then comes again."""

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """Return what has arrived, at most `limit`; if nothing has, wait up to `timeout` seconds for it."""
        ...

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle these. Those that came over a connection that is gone are left: they come again."""
        ...

    def obstacle(self) -> str:
        """Say in words what keeps messages from arriving; empty if it is connected and subscribed."""
        ...

    def close(self) -> None:
        """Close the connection; what is not settled goes back to the queue."""
        ...


class Broker(Protocol):
    """A way to a broker."""

    def declare(self, topology: Topology) -> None:
        """Declare all of it. Raises BrokerUnavailable or TopologyConflict."""
        ...

    def queue_state(self, queue: str) -> QueueState:
        """Look at a queue without touching it. Raises BrokerUnavailable."""
        ...

    def publisher(self, on_news: Callable[[], None] = lambda: None) -> Publisher:
        """Return a new publisher with a connection of its own, with publisher confirms.

        `on_news` is called, on any thread, when there are outcomes to fetch or a connection was opened or lost.
        """
        ...

    def receiver(self, queue: str, prefetch: int) -> Receiver:
        """Return a new receiver with a connection of its own and at most `prefetch` messages not settled."""
        ...
