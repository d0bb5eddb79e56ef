"""The private queue of a replay, as the consumer sees it: every message of this run once, in the order of numbers."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from messaging.transport import Delivery, Message, Receiver

#: Headers of a replayed message: to which run of a replay it belongs, and its number in that run, from 1.
RUN = "replay"
NUMBER = "replay-number"


def numbered(message: Message, run: UUID, number: int) -> Message:
    """Return the message as this one of the run."""
    return message._replace(tag=number, headers={**message.headers, RUN: str(run), NUMBER: number})


class ReplayQueue:
    """A Receiver that brings the messages into order.

    A message that was refused and sent again arrives behind later ones: those wait here. What comes twice, and what
    an earlier run left in the queue, is settled without a word.
    """

    def __init__(self, receiver: Receiver, run: UUID) -> None:
        """Take who receives from the queue; it needs a prefetch above the sender's window."""
        self._receiver = receiver
        self._run = str(run)
        self._next = 1
        self._early: dict[int, Delivery] = {}
        #: What an earlier run had in its hands when it ended, perhaps killed by one of them.
        self._suspects: set[str] = set()
        #: How many messages have come to their end. Read by the thread that sends.
        self.settled = 0
        #: Set whenever that grows.
        self.progressed = threading.Event()

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """See `Receiver`."""
        arrived = self._receiver.receive(limit, 0 if self._next in self._early else timeout)
        useless = [delivery for delivery in arrived if not self._take(delivery)]
        if useless:
            self._receiver.ack(useless)
        turn: list[Delivery] = []
        while len(turn) < limit and (delivery := self._early.pop(self._next, None)):
            turn.append(delivery)
            self._next += 1
        return turn

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """See `Receiver`."""
        self._receiver.ack(deliveries)
        self.settled += len(deliveries)
        self.progressed.set()

    def obstacle(self) -> str:
        """See `Receiver`."""
        return self._receiver.obstacle()

    def close(self) -> None:
        """See `Receiver`."""
        self._receiver.close()

    def _take(self, delivery: Delivery) -> bool:
        """Keep the message until it is its turn; False if it has none."""
        number = delivery.headers.get(NUMBER)
        if delivery.headers.get(RUN) != self._run or not isinstance(number, int):
            if delivery.redelivered:
                self._suspects.add(delivery.message_id)
            return False
        if number < self._next or number in self._early:
            return False
        # Redelivered within this run says that a connection was lost, and nothing about the event.
        suspected = delivery.message_id in self._suspects
        unchanged = delivery.redelivered == suspected  # as nearly always, and a copy costs as much as reading it
        self._early[number] = delivery if unchanged else replace(delivery, redelivered=suspected)
        return True
