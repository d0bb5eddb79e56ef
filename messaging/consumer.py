"""The consumer: from a delivery to its effect in the database, exactly once.

At least once from the broker, deduplicated by the inbox in the transaction of the effect: acked after the commit,
never before. Batches for speed; when a batch fails, each of its events gets a transaction of its own.

What becomes of an event: done; to be tried again later (over a wait queue, and later events of its aggregate wait
behind it); or dead, with a reason. A database that is away is none of the event's business: the consumer pauses.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from messaging import inbox
from messaging.condition import Condition
from messaging.context import message_context
from messaging.database import database_is_away
from messaging.dead_letters import record_dead_letter, stands_dead
from messaging.envelope import CONTENT_TYPE, MAX_BYTES, Event
from messaging.errors import (
    AttemptsUsedUp,
    KillsTheProcess,
    PermanentError,
    ReplayLost,
    TooLarge,
    UnknownType,
    WrongContentType,
)
from messaging.observer import Observer, OutcomeName
from messaging.redirect import Redirector, lost_before
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


class _Paused(Exception):
    """A replay is under way: everything that came another way has to wait for its end."""


#: What interrupts a handling and is no failure of the event.
_INTERRUPTIONS = (_Stopped, _Paused, ReplayLost)


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
        #: The run of the replay that this consumer carries out; None for a live one.
        self._replay: UUID | None = None
        self._redirect: Redirector
        #: Over which messages arrived: numbered from 1.
        self._connection = 0
        #: Redelivered events that this process has begun to handle alone.
        self._begun: set[UUID] = set()
        self.condition = Condition()
        #: Set while it is subscribed to its queue.
        self.active = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Declare the queues, then work until `stop` is set. A server that is away is waited for."""
        self._work(stop, lambda: self._broker.receiver(events_queue(self._service), prefetch=2 * self._batch))

    def run_replay(self, stop: threading.Event, replay: UUID, receiver: Receiver) -> None:
        """Work in the same way on what `receiver` brings, while this replay makes the live consumers pause.

        Raises ReplayLost when it is not, or no more, the one that is under way.
        """
        self._replay = replay
        self._work(stop, lambda: receiver)

    def _work(self, stop: threading.Event, open_receiver: Callable[[], Receiver]) -> None:
        self._stop = stop
        topology = consumer_topology(
            self._service, self._handlers, exchange=self._exchange, delays_ms=self._retry.delays_ms
        )
        self._redirect = Redirector(self._broker, self._service, topology, stop, self.condition)
        if not self._redirect.declare():
            return
        receiver = open_receiver()
        try:
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
        if not deliveries:
            self._until_database_answers(self._look_for_replay)
        elif deliveries[-1].connection != self._connection:
            self._connection = deliveries[-1].connection
            self._until_database_answers(self._resume_waiting)
        for group in _groups(deliveries):
            self._process(group)
            receiver.ack(group)

    def _look_for_replay(self) -> None:
        with self._settling():
            pass

    def _report(self, receiver: Receiver) -> None:
        if not receiver.connected():
            self.active.clear()
            self.condition.turn("waiting for the broker", ready=False)
        else:
            self.active.set()
            self.condition.turn("consuming", ready=True)

    def _process(self, deliveries: Sequence[Delivery]) -> None:
        """Bring every delivery to an end, so that all may be acked. Raises _Stopped when that did not happen."""
        batch: list[_Received] = []
        unfit: list[tuple[Delivery, PermanentError]] = []
        for delivery in deliveries:
            try:
                batch.append(self._read(delivery))
            except PermanentError as error:
                unfit.append((delivery, error))
        if batch:
            handle = self._handle_suspect if deliveries[0].redelivered else self._handle_batch
            self._until_database_answers(partial(handle, batch))
        for delivery, why in unfit:  # last: whoever kills the process does not make them die twice
            self._until_database_answers(partial(self._bury, delivery, None, why))
        if not self._redirect.confirmed():
            raise _Stopped

    def _until_database_answers(self, work: Callable[[], None]) -> None:
        """Do the work, and again while the database is away or a replay is under way.

        Raises _Stopped when stopped meanwhile.
        """
        while True:
            try:
                return work()
            except _Paused as pause:
                self._wait("paused: a replay is under way", pause)
            except DBAPIError as error:
                if not database_is_away(error):
                    raise
                self._wait("waiting for the database", error)

    def _wait(self, doing: str, why: Exception) -> None:
        if self.condition.doing != doing:  # said once, however often it is looked at
            _log.warning("the consumer of %s is %s %s", self._service, doing, getattr(why, "orig", why))
        self.condition.turn(doing, ready=False)
        if self._stop.wait(_PAUSE):
            raise _Stopped from why

    def _require_turn(self, under_way: UUID | None) -> None:
        """Raise _Paused while a replay is under way, or, in a replay, ReplayLost if it is not that one."""
        if under_way == self._replay:
            return
        if self._replay is None:
            raise _Paused
        raise ReplayLost(f"the replay to {self._service} was given up, or begun anew by somebody else")

    @contextmanager
    def _settling(self) -> Iterator[Session]:
        """Yield a session for what is done outside a handler's transaction. Raises as `_require_turn` does."""
        with self._sessions.begin() as session:
            self._require_turn(inbox.replay_under_way(session))
            yield session

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
        except _INTERRUPTIONS:
            raise
        except Exception as error:  # whatever a handler raises is found again one by one
            if isinstance(error, DBAPIError) and database_is_away(error):
                raise
            _log.info("a batch of %d failed (%r): handling its events one by one", len(batch), error)
            for received in batch:
                self._until_database_answers(partial(self._handle_alone, received))

    def _handle_alone(self, received: _Received) -> None:
        try:
            self._in_one_transaction([received])
        except _INTERRUPTIONS:
            raise
        except PermanentError as error:
            self._bury(received.delivery, received.event, error)
        except Exception as error:  # an unexpected error may pass: it costs an attempt, and is kept with the event
            if isinstance(error, DBAPIError) and database_is_away(error):
                raise
            self._failed(received, error)

    def _handle_suspect(self, batch: list[_Received]) -> None:
        """Handle a redelivered event on its own, so that it is known whom to blame if the process dies."""
        (received,) = batch
        starts = self._start_suspect(received)
        if starts > _FATAL_STARTS:
            times = f"the process died {starts - 1} times while it handled this event"
            self._bury(received.delivery, received.event, KillsTheProcess(times))
        else:
            self._handle_alone(received)
        self._begun.discard(received.event.id)

    def _start_suspect(self, received: _Received) -> int:
        """Count the start once for this process: to wait for the database and begin again is no death."""
        event_id = received.event.id
        once_more = event_id in self._begun
        self._begun.add(event_id)  # before the commit, of whose success the database may not live to tell
        with self._settling() as session:
            if stands_dead(session, event_id, KillsTheProcess):
                return _FATAL_STARTS + 1  # and another event killed the process before the broker heard of that
            return inbox.start_suspect(session, event_id, once_more=once_more)

    def _in_one_transaction(self, batch: list[_Received]) -> None:
        """Inbox, handlers and commit; then, outside, what has to wait in line is sent to a wait queue."""
        with self._sessions.begin() as session:
            lines = inbox.lines(session, {received.aggregate for received in batch})
            self._require_turn(lines.replay)
            turn: list[_Received] = []
            waiting: list[tuple[_Received, int, datetime]] = []
            for received in batch:
                lost = lost_before(received.delivery, self._retry.patience)
                head_back_at = lines.ask(received.aggregate, received.event.sequence, lost_before=lost)
                if head_back_at is None:
                    turn.append(received)
                else:
                    delay, itself_back_at = self._retry.behind(head_back_at)
                    lines.wait(received.aggregate, received.event.sequence, itself_back_at)
                    inbox.wait(session, received.event, received.aggregate, itself_back_at)
                    waiting.append((received, delay, itself_back_at))
            new = inbox.remember(session, [received.event.id for received in turn])
            outcomes: list[OutcomeName] = []
            for received in turn:
                outcomes.append("done" if received.event.id in new else "duplicate")
                if received.event.id in new:
                    new.remove(received.event.id)
                    self._handle(session, received.event)
            if lines.anybody:
                inbox.stop_waiting(session, [received.event.id for received in turn])
                inbox.give_up(session, lines.lost)
            if batch[0].delivery.redelivered:
                inbox.clear_suspect(session, batch[0].event.id)
        for received, outcome in zip(turn, outcomes, strict=True):
            self._tell(outcome, received.event)
        for received, delay, itself_back_at in waiting:
            attempts = _attempts(received.delivery)
            self._redirect.to_wait_queue(received.delivery, delay, itself_back_at, attempts=attempts)
            self._tell("waiting", received.event)

    def _tell(self, outcome: OutcomeName, event: Event | None) -> None:
        try:
            self._observer.outcome(outcome, event)
        except Exception:  # noqa: BLE001 (the effect is committed: a fault of the observer is none of the event)
            _log.exception("the observer failed at %s", outcome)

    def _handle(self, session: Session, event: Event) -> None:
        self.condition.come_round()
        with (
            message_context(correlation_id=event.correlation_id, causation_id=event.id, traceparent=event.traceparent),
            self._observer.handling(event),
        ):
            self._handlers[event.name](session, event)

    def _failed(self, received: _Received, error: Exception) -> None:
        attempts = _attempts(received.delivery) + 1
        about = _about(received.delivery, received.event)
        if attempts >= self._retry.attempts:
            reason = AttemptsUsedUp(f"failed {attempts} times, at last: {type(error).__name__}: {error}")
            _log.error("giving up on %s %s", received.event.type, received.event.id, exc_info=error, extra=about)
            self._bury(received.delivery, received.event, reason, attempts=attempts)
            return
        failed = (received.event.type, received.event.id, attempts)
        _log.warning("%s %s failed (attempt %d)", *failed, exc_info=error, extra=about)
        delay, retry_at = self._retry.next_try(attempts)
        with self._settling() as session:
            inbox.wait(session, received.event, received.aggregate, retry_at)
            inbox.clear_suspect(session, received.event.id)
        self._redirect.to_wait_queue(received.delivery, delay, retry_at, attempts=attempts, error=error)
        self._tell("retry", received.event)

    def _bury(
        self, delivery: Delivery, event: Event | None, error: PermanentError, *, attempts: int | None = None
    ) -> None:
        died_after = _attempts(delivery) + 1 if attempts is None else attempts
        with self._settling() as session:
            label = record_dead_letter(session, delivery, error, attempts=died_after)
            event_id = event.id if event else label.letter_id  # also of what was an event when it began to wait
            inbox.stop_waiting(session, [event_id])
            inbox.clear_suspect(session, event_id)
        about = _about(delivery, event)
        _log.error("dead letter %s (%s): %s", label.letter_id, error.reason, error, extra=about)
        self._redirect.to_dead_letters(delivery, label, error, attempts=died_after)
        self._tell("dead", event)


def _groups(deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """Yield what is to be handled and acked together, in the order of arrival: what was redelivered is on its own."""
    for redelivered, group in groupby(deliveries, key=attrgetter("redelivered")):
        if redelivered:
            yield from ([delivery] for delivery in group)
        else:
            yield list(group)


def _attempts(delivery: Delivery) -> int:
    """How often the message was tried before, by our own header."""
    value = delivery.headers.get("attempts", 0)
    return value if isinstance(value, int) and value >= 0 else 0


def _about(delivery: Delivery, event: Event | None) -> dict[str, str]:
    """What every log line about the message carries beside its text. Without an event, what the message claims."""
    if event is None:
        found = (delivery.correlation_id, delivery.message_id, delivery.type)
    else:
        found = (str(event.correlation_id), str(event.id), event.type)
    return dict(zip(("correlation_id", "event_id", "event_type"), found, strict=True))
