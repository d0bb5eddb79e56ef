"""Sends messages until the broker has them all."""

import logging
import threading
import time
from collections.abc import Sequence

from messaging.declaring import OwnTopology
from messaging.errors import CannotBeEncoded
from messaging.transport import Broker, Message

_log = logging.getLogger(__name__)

#: Seconds to wait for answers, and before what was refused is sent again.
_PAUSE = 0.5
#: Seconds for the last confirms after a stop.
_LAST_CONFIRMS = 2.0


class Forwarder:
    """Sends messages over a connection of its own. What was sent is certain only after `confirmed`."""

    def __init__(self, broker: Broker, topology: OwnTopology, stop: threading.Event) -> None:
        """Take the queues that are declared again when one does not take a message."""
        self._topology = topology
        self._stop = stop
        self._publisher = broker.publisher()
        self._tag = 0
        self._unconfirmed: dict[int, Message] = {}
        #: Why something was not taken, as it was last logged.
        self._said = ""

    def send(self, messages: Sequence[Message]) -> None:
        """Send messages; their tags are given here."""
        numbered = [message._replace(tag=tag) for tag, message in enumerate(messages, self._tag + 1)]
        self._tag += len(numbered)
        self._unconfirmed |= {message.tag: message for message in numbered}
        self._publisher.send(numbered)

    def confirmed(self) -> bool:
        """Wait until the broker has all that was sent, sending again what it refused. False when stopped before.

        A stop leaves it a moment: what was sent and is not known to be there is sent twice.
        Raises CannotBeEncoded for what can never be sent. What came from a receiver always can.
        """
        deadline: float | None = None
        while self._unconfirmed and (deadline is None or time.monotonic() < deadline):
            if deadline is None and self._stop.is_set():
                deadline = time.monotonic() + _LAST_CONFIRMS
            outcomes = self._publisher.outcomes(_PAUSE)
            for outcome in outcomes:
                if outcome.hopeless:
                    raise CannotBeEncoded(outcome.reason)
                if outcome.confirmed:
                    self._unconfirmed.pop(outcome.tag, None)
                    self._said = ""
            refused = [outcome for outcome in outcomes if outcome.tag in self._unconfirmed]
            if refused:
                self._refused(refused[0].reason)
                self._publisher.send([self._unconfirmed[outcome.tag] for outcome in refused])
        return not self._unconfirmed

    def close(self) -> None:
        """Close the connection."""
        self._publisher.close()

    def _refused(self, why: str) -> None:
        if why != self._said:
            _log.warning("messages were not taken, trying again: %s", why)
        self._said = why
        self._topology.declare_again()
        self._stop.wait(_PAUSE)
