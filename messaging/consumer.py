"""The consumer: from a delivery to its effect in the database, exactly once.

At least once from the broker, deduplicated by the inbox in the transaction of the effect: acked after the commit,
never before. Batches for speed; when a batch fails, each of its events gets a transaction of its own.

What becomes of an event: done; to be tried again later (over a wait queue, and later events of its aggregate wait
behind it); or dead, with a reason. A database that is away is none of the event's business: the consumer pauses.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from messaging import inbox
from messaging.condition import Condition
from messaging.context import message_context
from messaging.dead_letters import record_dead_letter
from messaging.envelope import CONTENT_TYPE, MAX_BYTES, Event
from messaging.errors import (
    AttemptsUsedUp,
    KillsTheProcess,
    PermanentError,
    TooLarge,
    UnknownType,
    WrongContentType,
)
from messaging.observer import Observer, OutcomeName
from messaging.redirect import Redirector
from messaging.registry import SchemaRegistry
from messaging.retry import RetryPolicy
from messaging.topology import DEFAULT_EXCHANGE, consumer_topology, events_queue
from messaging.transport import Broker, Delivery, Receiver

_log = logging.getLogger(__name__)

Handler = Callable[[Session, Event], None]
#: The subscription of a service: event name without version -> what to do.
HandlerTable = Mapping[str, Handler]

#: Events in one transaction, at most.
BATCH = 200
#: Seconds to wait for a message before looking whether to stop.
_POLL = 0.5
#: Seconds between two looks for a server that is away.
_PAUSE = 0.5
#: An event is given up when the process died this often while handling it alone.
_FATAL_STARTS = 2
#: SQLSTATE classes and codes that say "the database is away", not "your statement is wrong".
_AWAY_CLASSES = ("08", "57P", "53")


@dataclass(frozen=True)
class _Received:
    """An event that was read and found valid, in its newest version."""

    delivery: Delivery
    event: Event

    @property
    def aggregate(self) -> str:
        return f"{self.event.producer}/{self.event.subject}"


class _Stopped(Exception):
    """The consumer was told to stop before the work was done: nothing of it may be acked."""


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
        self._stop = threading.Event()
        self._redirect: Redirector
        #: Redelivered events that this process has begun, with how often that was done by whichever process.
        self._started: dict[UUID, int] = {}
        self.condition = Condition()
        #: Set while it is subscribed to its queue.
        self.active = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Declare the queues, then work until `stop` is set. A server that is away is waited for."""
        self._stop = stop
        topology = consumer_topology(
            self._service, self._handlers, exchange=self._exchange, delays_ms=self._retry.delays_ms
        )
        self._redirect = Redirector(self._broker, self._service, topology, stop, self.condition)
        if not self._redirect.declare():
            return
        receiver = self._broker.receiver(events_queue(self._service), prefetch=2 * self._batch)
        try:
            self._until_database_answers(self._resume_waiting)
            while not stop.is_set():
                self._receive(receiver)
        except _Stopped:
            _log.info("stopped while a server was away: what is not settled comes again")
        finally:
            self.active.clear()
            receiver.close()
            self._redirect.close()

    def _resume_waiting(self) -> None:
        with self._sessions.begin() as session:
            inbox.resume_waiting(session)

    def _receive(self, receiver: Receiver) -> None:
        deliveries = receiver.receive(self._batch, _POLL)
        self._report(receiver)
        if deliveries:
            self._process(deliveries)
            receiver.ack(deliveries)

    def _report(self, receiver: Receiver) -> None:
        if not receiver.connected():
            self.active.clear()
            self.condition.turn("waiting for the broker", ready=False)
        else:
            self.active.set()
            self.condition.turn("consuming", ready=True)

    def _process(self, deliveries: Sequence[Delivery]) -> None:
        """Bring every delivery to an end, so that all may be acked. Raises _Stopped when that did not happen."""
        fresh: list[_Received] = []
        for delivery in deliveries:
            try:
                received = self._read(delivery)
            except PermanentError as error:
                self._until_database_answers(partial(self._bury, delivery, None, error))
                continue
            if delivery.redelivered:
                self._until_database_answers(partial(self._handle_suspect, received))
            else:
                fresh.append(received)
        if fresh:
            self._until_database_answers(partial(self._handle_batch, fresh))
        if not self._redirect.confirmed():
            raise _Stopped

    def _until_database_answers(self, work: Callable[[], None]) -> None:
        """Do the work, and again while the database is away. Raises _Stopped when stopped meanwhile."""
        while True:
            try:
                return work()
            except DBAPIError as error:
                if not _database_is_away(error):
                    raise
                self.condition.turn("waiting for the database", ready=False)
                _log.warning("the database is away, waiting for it: %s", error.orig)
                if self._stop.wait(_PAUSE):
                    raise _Stopped from error

    def _read(self, delivery: Delivery) -> _Received:
        """Raise a PermanentError that says why this message is no event for this service."""
        if len(delivery.body) > MAX_BYTES:
            raise TooLarge(f"{len(delivery.body)} bytes are more than the {MAX_BYTES} that an event may have")
        if delivery.content_type != CONTENT_TYPE:
            raise WrongContentType(f"content type {delivery.content_type!r} is not {CONTENT_TYPE!r}")
        event = Event.from_bytes(delivery.body)
        if event.name not in self._handlers:
            raise UnknownType(f"{self._service} does not handle {event.name!r}")
        self._registry.validate(event)
        return _Received(delivery, self._registry.upcast(event))

    def _handle_batch(self, batch: list[_Received]) -> None:
        if len(batch) == 1:
            return self._handle_alone(batch[0])
        try:
            self._in_one_transaction(batch)
        except _Stopped:
            raise
        except Exception as error:  # whatever a handler raises is found again one by one
            if isinstance(error, DBAPIError) and _database_is_away(error):
                raise
            _log.info("a batch of %d failed (%r): handling its events one by one", len(batch), error)
            for received in batch:
                self._until_database_answers(partial(self._handle_alone, received))

    def _handle_alone(self, received: _Received) -> None:
        try:
            self._in_one_transaction([received])
        except PermanentError as error:
            self._bury(received.delivery, received.event, error)
        except Exception as error:  # an unexpected error may pass: it costs an attempt, and is kept with the event
            if isinstance(error, DBAPIError) and _database_is_away(error):
                raise
            self._failed(received, error)

    def _handle_suspect(self, received: _Received) -> None:
        """Handle a redelivered event on its own, so that it is known whom to blame if the process dies."""
        starts = self._start_suspect(received)
        if starts > _FATAL_STARTS:
            times = f"the process died {starts - 1} times while it handled this event"
            self._bury(received.delivery, received.event, KillsTheProcess(times))
        else:
            self._handle_alone(received)
        with self._sessions.begin() as session:
            inbox.clear_suspect(session, received.event.id)
        self._started.pop(received.event.id, None)

    def _start_suspect(self, received: _Received) -> int:
        """Count the start once for this process: to wait for the database and begin again is no death."""
        event_id = received.event.id
        if event_id not in self._started:
            with self._sessions.begin() as session:
                starts = inbox.start_suspect(session, event_id)
            self._started[event_id] = starts
        return self._started[event_id]

    def _in_one_transaction(self, batch: list[_Received]) -> None:
        """Inbox, handlers and commit; then, outside, what has to wait in line is sent to a wait queue."""
        with self._sessions.begin() as session:
            lines = inbox.lines(session, {received.aggregate for received in batch})
            turn: list[_Received] = []
            waiting: list[tuple[_Received, datetime]] = []
            for received in batch:
                head_back_at = lines.ask(received.aggregate, received.event.sequence)
                if head_back_at is None:
                    turn.append(received)
                else:
                    inbox.wait(session, received.event, received.aggregate, head_back_at)
                    waiting.append((received, head_back_at))
            new = inbox.remember(session, [received.event.id for received in turn])
            outcomes: list[OutcomeName] = []
            for received in turn:
                outcomes.append("done" if received.event.id in new else "duplicate")
                if received.event.id in new:
                    new.remove(received.event.id)
                    self._handle(session, received.event)
            if lines.anybody:
                inbox.stop_waiting(session, [received.event.id for received in turn])
        for received, outcome in zip(turn, outcomes, strict=True):
            self._observer.outcome(outcome, received.event)
        for received, head_back_at in waiting:
            delay = self._retry.delay_until(head_back_at)
            self._redirect.to_wait_queue(received.delivery, delay, attempts=_attempts(received.delivery))
            self._observer.outcome("waiting", received.event)

    def _handle(self, session: Session, event: Event) -> None:
        with (
            message_context(correlation_id=event.correlation_id, causation_id=event.id, traceparent=event.traceparent),
            self._observer.handling(event),
        ):
            self._handlers[event.name](session, event)

    def _failed(self, received: _Received, error: Exception) -> None:
        attempts = _attempts(received.delivery) + 1
        if attempts >= self._retry.attempts:
            reason = AttemptsUsedUp(f"failed {attempts} times, at last: {type(error).__name__}: {error}")
            _log.error("giving up on %s %s", received.event.type, received.event.id, exc_info=error)
            self._bury(received.delivery, received.event, reason, attempts=attempts)
            return
        _log.warning("%s %s failed (attempt %d)", received.event.type, received.event.id, attempts, exc_info=error)
        delay, retry_at = self._retry.next_try(attempts)
        with self._sessions.begin() as session:
            inbox.wait(session, received.event, received.aggregate, retry_at)
        self._redirect.to_wait_queue(received.delivery, delay, attempts=attempts, error=error)
        self._observer.outcome("retry", received.event)

    def _bury(
        self, delivery: Delivery, event: Event | None, error: PermanentError, *, attempts: int | None = None
    ) -> None:
        died_after = _attempts(delivery) + 1 if attempts is None else attempts
        with self._sessions.begin() as session:
            label = record_dead_letter(session, delivery, error, attempts=died_after)
            if event:
                inbox.stop_waiting(session, [event.id])
        _log.error("dead letter %s (%s): %s", label.letter_id, error.reason, error)
        self._redirect.to_dead_letters(delivery, label, error, attempts=died_after)
        self._observer.outcome("dead", event)


def _attempts(delivery: Delivery) -> int:
    """How often the message was tried before, by our own header."""
    value = delivery.headers.get("attempts", 0)
    return value if isinstance(value, int) and value >= 0 else 0


def _database_is_away(error: DBAPIError) -> bool:
    code = getattr(error.orig, "pgcode", None)
    if code is None:
        return error.connection_invalidated or type(error.orig).__name__ in (
            "OperationalError",
            "InterfaceError",
        )
    return str(code).startswith(_AWAY_CLASSES)
