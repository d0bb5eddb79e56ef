"""Declares the exchanges and queues that a service owns, and again when one of them is gone."""

import logging
import threading
import time

from messaging.errors import BrokerUnavailable, TopologyConflict
from messaging.health import Health
from messaging.topology import Topology
from messaging.transport import Broker

_log = logging.getLogger(__name__)

#: Seconds between two attempts to reach the broker.
_PAUSE = 0.5
#: Seconds, at least, between two times that queues are declared again.
_DECLARE_EVERY = 5.0


class OwnTopology:
    """What a service owns in the broker."""

    def __init__(self, broker: Broker, topology: Topology, stop: threading.Event, health: Health | None = None) -> None:
        """Take what to declare, and where to tell that the broker is waited for."""
        self._broker = broker
        self._topology = topology
        self._stop = stop
        self._health = health or Health()
        #: By the monotonic clock: not before then are the queues declared again.
        self._declare_after = 0.0
        #: What was logged last of a broker that is away.
        self._said = ""

    def declare(self) -> bool:
        """Declare all of it as soon as the broker can be reached. False when stopped before."""
        while not self._stop.is_set():
            try:
                self._broker.declare(self._topology)
            except BrokerUnavailable as error:
                self._health.turn("waiting for the broker", ready=False)
                self._say(f"waiting for the broker: {error}")
                self._stop.wait(_PAUSE)
            else:
                return True
        return False

    def declare_again(self) -> None:
        """Declare it once more, since something seems to be gone. A broker that is away is left alone."""
        now = time.monotonic()
        if now < self._declare_after:
            return
        self._declare_after = now + _DECLARE_EVERY
        try:
            self._broker.declare(self._topology)
        except (BrokerUnavailable, TopologyConflict) as error:
            self._say(f"what may be missing cannot be declared: {error}")

    def _say(self, text: str) -> None:
        """Log what goes wrong, once as long as it stays the same."""
        if text != self._said:
            _log.warning(text)
        self._said = text
