"""Moves messages that were received to a wait queue or to the dead letters: confirmed there before acked here."""

import logging
import threading
import time
from datetime import UTC, datetime, timedelta

from messaging.dead_letters.rules import BACK_AT, WAITS_SINCE, header_text
from messaging.envelope import CONTENT_TYPE
from messaging.errors import BrokerUnavailable, CannotBeEncoded
from messaging.health import Health
from messaging.sender import SENT_BY, sent_by
from messaging.topology import Topology, retry_exchange
from messaging.transport import Broker, Delivery, Message

_log = logging.getLogger(__name__)

#: Seconds between two attempts to reach the broker.
_PAUSE = 0.5
#: Seconds, at least, between two times that queues are declared again.
_DECLARE_EVERY = 5.0
#: Seconds for the last confirms after a stop.
_LAST_CONFIRMS = 2.0
#: Seconds since the epoch: more than a date can say is no date of ours.
_END_OF_TIME = 2**37


class Redirector:
    """Sends received messages on. What was sent is certain only after `confirmed`."""

    def __init__(
        self,
        broker: Broker,
        service: str,
        topology: Topology,
        stop: threading.Event,
        condition: Health | None = None,
    ) -> None:
        """Take the queues of the service, which `declare` declares, and where to tell that the broker is waited for."""
        self._broker = broker
        self._service = service
        self._topology = topology
        self._stop = stop
        self._condition = condition or Health()
        self._publisher = broker.publisher()
        self._tag = 0
        self._unconfirmed: dict[int, Message] = {}
        #: By the monotonic clock: not before then are the queues declared again.
        self._declare_after = 0.0
        #: Why something was not taken, as it was last logged.
        self._said = ""

    def declare(self) -> bool:
        """Declare the queues as soon as the broker can be reached. False when stopped before."""
        while not self._stop.is_set():
            try:
                self._broker.declare(self._topology)
            except BrokerUnavailable as error:
                self._condition.turn("waiting for the broker", ready=False)
                self._say("waiting for the broker: %s", error)
                self._stop.wait(_PAUSE)
            else:
                return True
        self.close()
        return False

    def declare_again(self) -> None:
        """Declare the queues once more, since one of them seems to be gone. A broker that is away is left alone."""
        now = time.monotonic()
        if now < self._declare_after:
            return
        self._declare_after = now + _DECLARE_EVERY
        try:
            self._broker.declare(self._topology)
        except BrokerUnavailable as error:
            self._say("what may be missing cannot be declared: %s", error)

    def to_wait_queue(
        self, delivery: Delivery, delay_ms: int, returns: datetime, *, attempts: int, error: Exception | None = None
    ) -> None:
        """Let the message come back after the delay, at that time, with the number of attempts made so far."""
        headers = {SENT_BY: sent_by(delivery), **_own_headers(delivery)}
        if BACK_AT in headers:
            headers.setdefault(WAITS_SINCE, int(datetime.now(UTC).timestamp()))
        headers |= {"attempts": attempts, BACK_AT: int(returns.timestamp())}
        if error is not None:
            headers["error"] = header_text(f"{type(error).__name__}: {error}")
        self.send(_copy(delivery, retry_exchange(self._service), str(delay_ms), headers))

    def confirmed(self) -> bool:
        """Wait until the broker has all that was sent, sending again what it refused. False when stopped before.

        A stop leaves it a moment: what was sent and is not acked comes twice.
        Raises CannotBeEncoded for what can never be sent. What came from a receiver always can.
        """
        deadline: float | None = None
        while self._unconfirmed and (deadline is None or time.monotonic() < deadline):
            if deadline is None and self._stop.is_set():
                deadline = time.monotonic() + _LAST_CONFIRMS
            self._report()
            outcomes = self._publisher.outcomes(_PAUSE)
            for outcome in outcomes:
                if outcome.hopeless:
                    raise CannotBeEncoded(outcome.reason)
                if outcome.confirmed:
                    self._unconfirmed.pop(outcome.tag, None)
                    self._said = ""
            refused = [outcome for outcome in outcomes if outcome.tag in self._unconfirmed]
            if refused:
                self._say("messages were not redirected, trying again: %s", refused[0].reason)
                self.declare_again()
                self._stop.wait(_PAUSE)
                self._publisher.send([self._unconfirmed[outcome.tag] for outcome in refused])
        return not self._unconfirmed

    def _say(self, text: str, why: object) -> None:
        """Log what goes wrong, once as long as it stays the same."""
        said = text % why
        if said != self._said:
            _log.warning(said)
        self._said = said

    def _report(self) -> None:
        if obstacle := self._publisher.obstacle():
            self._condition.turn(obstacle, ready=False)
        else:
            self._condition.come_round()

    def close(self) -> None:
        """Close the connection."""
        self._publisher.close()

    def send(self, message: Message) -> None:
        """Send a message; its tag is given here."""
        self._tag += 1
        numbered = message._replace(tag=self._tag)
        self._unconfirmed[self._tag] = numbered
        self._publisher.send([numbered])


def lost_before(delivery: Delivery, patience: timedelta) -> datetime | None:
    """Return the time before which earlier messages were to be back, so that they will not come any more.

    None as long as nothing can be said. Only a message tells that has itself gone round for all that time: since what
    came back before it has entered the queue before it. By the clock alone, a long queue, a broker that was away
    or blocked, or a process that stood still would look as if something were lost.
    """
    since, back_at = _time(delivery, WAITS_SINCE), _time(delivery, BACK_AT)
    if since is None or back_at is None or back_at - since <= patience:
        return None
    return back_at - patience


def _time(delivery: Delivery, header: str) -> datetime | None:
    seconds = delivery.headers.get(header)
    if not isinstance(seconds, int) or not 0 <= seconds < _END_OF_TIME:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _own_headers(delivery: Delivery) -> dict[str, object]:
    """Leave out what the broker added, such as x-death: it grows with every round."""
    return {name: value for name, value in delivery.headers.items() if not name.startswith("x-")}


def _copy(delivery: Delivery, exchange: str, routing_key: str, headers: dict[str, object]) -> Message:
    return Message(
        tag=0,
        exchange=exchange,
        routing_key=routing_key,
        body=delivery.body,
        content_type=delivery.content_type or CONTENT_TYPE,
        message_id=delivery.message_id,
        type=delivery.type,
        app_id=delivery.app_id,
        correlation_id=delivery.correlation_id,
        timestamp=delivery.timestamp,
        headers=headers,
    )
