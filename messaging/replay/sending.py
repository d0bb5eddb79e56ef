"""Sends the messages of a replay: never more than a window ahead of what the consumer has settled."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from messaging.errors import CannotBeEncoded
from messaging.replay.queue import ReplayQueue
from messaging.transport import Message, Publisher

_log = logging.getLogger(__name__)

#: Messages sent and not settled, at most: what a replay that is killed leaves in the queue.
WINDOW = 1000
#: Send again when at least this much of the window is free: few large batches instead of many small ones.
_AT_LEAST = 200
#: Seconds between two looks at what the broker has said.
_PAUSE = 0.05


class Sender:
    """Sends each message over the connection of its producer until the queue has it. Used by one thread."""

    def __init__(self, publishers: Mapping[str, Publisher], queue: ReplayQueue) -> None:
        """Take the publishers by the name of the producer, and the queue, which tells what is settled."""
        self._publishers = publishers
        self._queue = queue
        self._unconfirmed: dict[int, Message] = {}
        #: Why events were not taken, as it was last logged.
        self._said = ""
        #: How many were sent, and so the number of the last.
        self.sent = 0

    def send_all(self, messages: Iterator[Message], *, look: Callable[[], None]) -> None:
        """Send messages, numbered 1, 2, 3, ... by their tags, and wait until the consumer has settled them.

        `look` is called again and again meanwhile, and may raise. Raises CannotBeEncoded for what can never be sent.
        """
        more = True
        while more or self._queue.settled < self.sent:
            look()
            room = self._queue.settled + WINDOW - self.sent
            if more and room >= _AT_LEAST:
                found = list(islice(messages, room))
                more = len(found) == room
                self.sent += len(found)
                self._send(found)
            else:
                self._queue.progressed.wait(_PAUSE)
                self._queue.progressed.clear()
            self._send_refused()

    def _send(self, messages: Iterable[Message]) -> None:
        by_producer: dict[str, list[Message]] = {}
        for message in messages:
            self._unconfirmed[message.tag] = message
            by_producer.setdefault(message.app_id, []).append(message)
        for producer, group in by_producer.items():
            self._publishers[producer].send(group)

    def _send_refused(self) -> None:
        outcomes = [outcome for publisher in self._publishers.values() for outcome in publisher.outcomes(0)]
        refused = [self._unconfirmed[outcome.tag] for outcome in outcomes if not outcome.confirmed]
        for outcome in outcomes:
            if outcome.hopeless:
                raise CannotBeEncoded(outcome.reason)
            if outcome.confirmed:
                del self._unconfirmed[outcome.tag]
        if refused:
            why = next(outcome.reason for outcome in outcomes if not outcome.confirmed)
            if why != self._said:
                _log.warning("replayed events were not taken, trying again: %s", why)
            self._said = why
            self._queue.progressed.wait(_PAUSE)  # and not at once: the reason will not have passed
            self._send(refused)
