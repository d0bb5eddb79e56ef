"""The consumer: from the queue to the handling of its events, exactly once.

At least once from the broker, deduplicated by the inbox in the transaction of the effect: acked after the commit,
never before. An event that cannot be handled now is held in the database (`messaging.held`), and handled from there
when it is due. A server that is away is none of the events' business: the consumer pauses.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from messaging.backlog import watch_backlog
from messaging.dead_letters.mirror import DeadLetterMirror
from messaging.declaring import OwnTopology
from messaging.dispatch import HandlerTable
from messaging.errors import PermanentError
from messaging.handling import Handling
from messaging.health import Health
from messaging.interruptions import Patience, Stopped
from messaging.observer import Observer
from messaging.received import HeldRow, Received, read
from messaging.retry import RetryPolicy
from messaging.schemas import SchemaRegistry
from messaging.topology import DEFAULT_EXCHANGE, consumer_topology, events_queue
from messaging.transport import Broker, Delivery, Receiver

_log = logging.getLogger(__name__)

#: Events in one transaction, at most.
BATCH = 200
#: Seconds to wait for a message before looking whether to stop.
_POLL = 1.0


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
        compare_every: float = 10.0,
    ) -> None:
        """Take the subscription and what it needs. Raises UnknownType for a handler of an event without a schema.

        `compare_every`: seconds, at least, between two looks whether the dead-letter queue shows all dead letters.
        """
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
        self._compare_every = compare_every
        self.health = Health()
        #: Set while it is subscribed to its queue.
        self.active = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Declare the queues, then work until `stop` is set. A server that is away is waited for."""
        self._work(stop, None, lambda: self._broker.receiver(events_queue(self._service), prefetch=2 * self._batch))

    def run_replay(self, stop: threading.Event, replay: UUID, receiver: Receiver) -> None:
        """Work in the same way on what `receiver` brings, while this replay makes the live consumers pause.

        What is held waits for them. Raises ReplayLost when it is not, or no more, the replay that is under way.
        """
        self._work(stop, replay, lambda: receiver)

    @contextmanager
    def _mirror(self, stop: threading.Event) -> Iterator[threading.Event]:
        """Have the dead letters mirrored meanwhile, and the queue looked at.

        What is yielded is set while this process mirrors, and no other.
        """
        with self._sessions() as session:
            engine = session.get_bind().engine
        mirror = DeadLetterMirror(self._service, self._broker, engine, compare_every=self._compare_every)
        threads = [
            threading.Thread(target=mirror.run, args=(stop,), name="dead-letters"),
            threading.Thread(target=watch_backlog, args=(self._service, self._broker, engine, stop), name="backlog"),
        ]
        for thread in threads:
            thread.start()
        try:
            yield mirror.works
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def _work(self, stop: threading.Event, replay: UUID | None, open_receiver: Callable[[], Receiver]) -> None:
        topology = consumer_topology(self._service, self._handlers, exchange=self._exchange)
        own = OwnTopology(self._broker, topology, stop, self.health)
        if not own.declare():
            return
        handling = Handling(
            service=self._service,
            sessions=self._sessions,
            handlers=self._handlers,
            retry=self._retry,
            observer=self._observer,
            health=self.health,
            patience=Patience(self._service, stop, self.health),
            replay=replay,
        )
        with self._mirror(stop) if replay is None else nullcontext(threading.Event()) as holds_place:
            receiver = open_receiver()
            try:
                while not stop.is_set():
                    takes_held = holds_place.is_set()
                    patience = min(_POLL, handling.seconds_until_due()) if takes_held else _POLL
                    deliveries = self._receive(receiver, handling, own, patience)
                    if takes_held:
                        if not handling.seconds_until_due():
                            self._handle_held(handling)
                    elif not deliveries and self.active.is_set():
                        handling.patience.until_done(handling.require_turn)
            except Stopped:
                _log.info("stopped while a server was away: what is not settled comes again")
            finally:
                self.active.clear()
                receiver.close()

    def _receive(self, receiver: Receiver, handling: Handling, own: OwnTopology, patience: float) -> int:
        """Bring to their end what has come; return how many that were."""
        deliveries = receiver.receive(self._batch, patience)
        self._report(receiver, own)
        for _, group in groupby(deliveries, key=attrgetter("redelivered")):
            self._process(list(group), handling, receiver)
        return len(deliveries)

    def _report(self, receiver: Receiver, own: OwnTopology) -> None:
        if obstacle := receiver.obstacle():
            self.active.clear()
            self.health.turn(obstacle, ready=False)
            own.declare_again()
        else:
            self.active.set()
            self.health.turn("consuming", ready=True)

    def _process(self, deliveries: Sequence[Delivery], handling: Handling, receiver: Receiver) -> None:
        """Bring every delivery to its end, and ack it. Raises Stopped when stopped before."""
        batch: list[Received] = []
        for delivery in deliveries:
            try:
                batch.append(self._read(delivery))
            except PermanentError as error:
                handling.bury(delivery, error)
        if batch:
            handling.handle(batch)
        receiver.ack(deliveries)

    def _handle_held(self, handling: Handling) -> None:
        batch: list[Received] = []
        for row in handling.take_due(self._batch, subscribed=self.active.is_set()):
            try:
                batch.append(self._read(row.delivery, row))
            except PermanentError as error:
                handling.bury(row.delivery, error, row=row)
        if batch:
            handling.handle_held(batch)

    def _read(self, delivery: Delivery, row: HeldRow | None = None) -> Received:
        return read(delivery, service=self._service, subscribed=self._handlers, registry=self._registry, row=row)
