"""The consumer: from the queue to the handling of its events, exactly once.

At least once from the broker, deduplicated by the inbox in the transaction of the effect: acked after the commit,
never before. A server that is away is none of the events' business: the consumer pauses.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from messaging.dispatch import HandlerTable
from messaging.errors import PermanentError
from messaging.handling import Handling
from messaging.health import Health
from messaging.interruptions import Patience, Stopped
from messaging.observer import Observer
from messaging.received import Received, read
from messaging.redirect import Redirector
from messaging.retry import RetryPolicy
from messaging.schemas import SchemaRegistry
from messaging.suspects import COMPANY
from messaging.topology import DEFAULT_EXCHANGE, consumer_topology, events_queue
from messaging.transport import Broker, Delivery, Receiver

_log = logging.getLogger(__name__)

#: Events in one transaction, at most.
BATCH = 200
#: Seconds to wait for a message before looking whether to stop.
_POLL = 0.5


class Consumer:
    """Handles the events of one service. Several may run: the broker lets one work, the others stand by."""

    def __init__(
        self,
        service: str,
        broker: Broker,
        sessions: sessionmaker[Session],
        handlers: HandlerTable,
        registry: SchemaRegistry,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        retry: RetryPolicy | None = None,
        batch: int = BATCH,
        observer: Observer | None = None,
    ) -> None:
        """Take the subscription and what it needs. Raises UnknownType for a handler of an event without a schema."""
        for name in handlers:
            registry.newest(name)
        self._service = service
        self._broker = broker
        self._sessions = sessions
        self._handlers = handlers
        self._registry = registry
        self._exchange = exchange
        self._retry = retry or RetryPolicy()
        self._batch = batch
        self._observer = observer or Observer()
        #: Over which messages arrived: numbered from 1.
        self._connection = 0
        self.condition = Health()
        #: Set while it is subscribed to its queue.
        self.active = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Declare the queues, then work until `stop` is set. A server that is away is waited for."""
        self._work(stop, None, lambda: self._broker.receiver(events_queue(self._service), prefetch=2 * self._batch))

    def run_replay(self, stop: threading.Event, replay: UUID, receiver: Receiver) -> None:
        """Work in the same way on what `receiver` brings, while this replay makes the live consumers pause.

        Raises ReplayLost when it is not, or no more, the one that is under way.
        """
        self._work(stop, replay, lambda: receiver)

    def _work(self, stop: threading.Event, replay: UUID | None, open_receiver: Callable[[], Receiver]) -> None:
        topology = consumer_topology(
            self._service, self._handlers, exchange=self._exchange, delays_ms=self._retry.delays_ms
        )
        redirect = Redirector(self._broker, self._service, topology, stop, self.condition)
        if not redirect.declare():
            return
        patience = Patience(self._service, stop, self.condition)
        handling = Handling(
            service=self._service,
            sessions=self._sessions,
            handlers=self._handlers,
            retry=self._retry,
            observer=self._observer,
            condition=self.condition,
            patience=patience,
            redirect=redirect,
            replay=replay,
        )
        receiver = open_receiver()
        try:
            while not stop.is_set():
                self._receive(receiver, handling)
        except Stopped:
            _log.info("stopped while a server was away: what is not settled comes again")
        finally:
            self.active.clear()
            receiver.close()
            redirect.close()

    def _receive(self, receiver: Receiver, handling: Handling) -> None:
        deliveries = receiver.receive(self._batch, _POLL)
        self._report(receiver, handling.redirect)
        if not deliveries:
            handling.patience.until_done(handling.require_turn)
        elif deliveries[-1].connection != self._connection:
            self._connection = deliveries[-1].connection
            handling.patience.until_done(handling.resume_waiting)
        for group in _groups(deliveries):
            self._process(group, handling, receiver)

    def _report(self, receiver: Receiver, redirect: Redirector) -> None:
        if obstacle := receiver.obstacle():
            self.active.clear()
            self.condition.turn(obstacle, ready=False)
            redirect.declare_again()
        else:
            self.active.set()
            self.condition.turn("consuming", ready=True)

    def _process(self, deliveries: Sequence[Delivery], handling: Handling, receiver: Receiver) -> None:
        """Bring every delivery to an end, and ack it as soon as it is there. Raises Stopped when stopped before."""
        batch: list[Received] = []
        unfit: list[tuple[Delivery, PermanentError]] = []
        for delivery in deliveries:
            try:
                batch.append(self._read(delivery))
            except PermanentError as error:
                unfit.append((delivery, error))
        for done in handling.handle(batch) if batch else ():
            _ack([received.delivery for received in done], handling.redirect, receiver)
        for delivery, why in unfit:
            handling.bury(delivery, None, why)
        if unfit:
            _ack([delivery for delivery, _ in unfit], handling.redirect, receiver)

    def _read(self, delivery: Delivery) -> Received:
        return read(delivery, service=self._service, subscribed=self._handlers, registry=self._registry)


def _ack(deliveries: Sequence[Delivery], redirect: Redirector, receiver: Receiver) -> None:
    """Ack these, as soon as what was sent on in their place is where it should be."""
    if not redirect.confirmed():
        raise Stopped
    receiver.ack(deliveries)


def _groups(deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """Yield what is to be handled and acked together, in the order of arrival: of what was redelivered only a few."""
    for redelivered, group in groupby(deliveries, key=attrgetter("redelivered")):
        alike = list(group)
        size = COMPANY if redelivered else len(alike)
        yield from (alike[start : start + size] for start in range(0, len(alike), size))
