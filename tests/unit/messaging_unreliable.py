"""The broker in memory as an unreliable network makes it: the test decides what arrives, is refused or is lost."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Literal

from messaging.testing import StubBroker, StubReceiver
from messaging.transport import Delivery, Message, Outcome
from tests.unit.messaging_stepping import pause, program

Answer = Literal["confirmed", "refused", "returned"]


class UnreliableBroker(StubBroker):
    """Queues have a single active consumer; nothing is sent, confirmed or acked before the test lets it be."""

    def __init__(self, *, user: str) -> None:
        super().__init__(user=user)
        self.publishers: list[UnreliablePublisher] = []
        #: By queue, in the order of subscription: the first one is active.
        self.receivers: dict[str, list[UnreliableReceiver]] = {}
        self._full: set[str] = set()

    def publisher(self, on_news: Callable[[], None] = lambda: None) -> "UnreliablePublisher":
        made = UnreliablePublisher(self, on_news)
        self.publishers.append(made)
        return made

    def receiver(self, queue: str, prefetch: int) -> "UnreliableReceiver":
        return UnreliableReceiver(self, queue, prefetch)

    def route_to_some(self, message: Message, random: Random) -> None:
        """Put the message into any of its queues: one that refuses it does not keep the others from taking it."""
        self._full = {name for name in sorted(self._queues) if random.random() < 0.5}
        self.route(message)
        self._full = set()

    def _targets(self, exchange: str, routing_key: str) -> set[str]:
        return super()._targets(exchange, routing_key) - self._full

    def all_receivers(self) -> "list[UnreliableReceiver]":
        return [receiver for line in self.receivers.values() for receiver in line]

    def messages(self) -> dict[str, int]:
        """How many messages each queue holds, those included that somebody has not acked; without the empty ones."""
        found = {name: len(queue.ready) for name, queue in self._queues.items()}
        for receiver in self.all_receivers():
            found[receiver.queue] += receiver.unsettled()
        return {name: count for name, count in found.items() if count}


class UnreliablePublisher:
    """A publisher whose messages are on the wire until the broker takes them, and so are the broker's answers."""

    def __init__(self, broker: UnreliableBroker, on_news: Callable[[], None]) -> None:
        self._broker = broker
        self._on_news = on_news
        self._wire: list[Message] = []
        #: By the tag of a message that is on its way: what stands behind it in its chain.
        self._behind: dict[int, Sequence[Message]] = {}
        self._answers: list[Outcome] = []
        self._outcomes: list[Outcome] = []
        program().connections.append(self)

    def broker_takes(self, count: int, answer: Answer, random: Random) -> None:
        """Let the first messages on the wire reach the broker, which makes up its mind about them."""
        for message in self._wire[:count]:
            if answer == "confirmed":
                assert self._broker.route(message)
            elif answer == "refused":
                self._broker.route_to_some(message, random)
            self._answers.append(Outcome(message.tag, answer == "confirmed", answer))
        del self._wire[:count]

    def broker_answers(self, count: int, random: Random) -> None:
        """Let some of its answers arrive, in any order."""
        arrived = random.sample(self._answers, min(count, len(self._answers)))
        self._answers = [answer for answer in self._answers if answer not in arrived]
        self._tell(arrived)

    def lose(self) -> None:
        """Lose the connection, and with it what is on the wire either way."""
        unanswered = [message.tag for message in self._wire] + [answer.tag for answer in self._answers]
        self._wire, self._answers = [], []
        self._tell([Outcome(tag, False, "lost", lost=True) for tag in unanswered])

    def _tell(self, outcomes: list[Outcome]) -> None:
        self._outcomes += outcomes
        for outcome in outcomes:
            behind = self._behind.pop(outcome.tag)
            if outcome.confirmed:
                self.send_chains([behind])
        if outcomes:
            self._on_news()

    def wait_until_connected(self, timeout: float) -> bool:  # noqa: ARG002
        return True

    def obstacle(self) -> str:
        return ""

    def on_the_wire(self) -> int:
        """How many messages have yet to reach the broker."""
        return len(self._wire)

    def send(self, messages: Sequence[Message]) -> None:
        self.send_chains((message,) for message in messages)

    def send_chains(self, chains: Iterable[Sequence[Message]]) -> None:
        for chain in chains:
            if chain:
                self._wire.append(chain[0])
                self._behind[chain[0].tag] = chain[1:]

    def outcomes(self, timeout: float) -> list[Outcome]:
        if timeout > 0 and not self._outcomes:
            pause()
        found, self._outcomes = self._outcomes, []
        return found

    def close(self) -> None:
        self.lose()
        self._broker.publishers.remove(self)
        program().connections.remove(self)


class UnreliableReceiver(StubReceiver):
    """A receiver whose acks are on the wire until the broker takes them."""

    def __init__(self, broker: UnreliableBroker, queue: str, prefetch: int) -> None:
        super().__init__(broker, queue, prefetch)
        self.queue = queue
        self._line = broker.receivers.setdefault(queue, [])
        self._line.append(self)
        self._connection = 1
        self._acks: list[Delivery] = []
        program().connections.append(self)

    def receive(self, limit: int, timeout: float) -> list[Delivery]:  # noqa: ARG002
        pause()
        if self._line[0] is not self:
            return []
        found = self._take(min(limit, self._prefetch - self.unsettled()))
        return [replace(delivery, connection=self._connection) for delivery in found]

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        self._acks += [delivery for delivery in deliveries if delivery.connection == self._connection]

    def unsettled(self) -> int:
        return len(self._unsettled)

    def broker_takes_acks(self) -> None:
        """Let the acks reach the broker."""
        super().ack(self._acks)
        self._acks = []

    def lose(self) -> None:
        """Lose the connection: what the broker has no ack for comes again, to the next in the line of consumers."""
        self._broker.give_back(self._queue, list(self._unsettled.values()))
        self._unsettled, self._acks = {}, []
        self._connection += 1
        self._line.remove(self)
        self._line.append(self)

    def close(self) -> None:
        self.broker_takes_acks()
        self.lose()
        self._line.remove(self)
        program().connections.remove(self)
