"""Keeps the queue `<service>.dead` in line with the dead letters, for the management console and its alarms.

The table is the record. Each letter that dies gets a message; messages whose letter is dead no more, second copies, and
what is missing are found by going through the queue from its head: what stays is sent to its end and then acked here,
so only a chunk is in memory and the queue may be of any length. Whatever line it dies at, going through it again mends.
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from messaging.database import database_is_away
from messaging.dead_letters import mirrored
from messaging.dead_letters.messages import dead_message
from messaging.dead_letters.rules import label_of
from messaging.declaring import OwnTopology
from messaging.envelope import Event, is_type
from messaging.errors import (
    BrokerUnavailable,
    GivenUpByBroker,
    NotFromItsProducer,
    PermanentError,
    TopologyConflict,
    UnknownType,
)
from messaging.forwarder import Forwarder
from messaging.held import Line, die, event_of, lock_lines, release
from messaging.sender import require_its_producer
from messaging.topology import dead_letter_topology, dead_queue
from messaging.transport import Broker, Delivery, QueueState, Receiver

_log = logging.getLogger(__name__)

#: Any number will do that nothing else in the service's database locks.
_LOCK = 0x0B0C5_0002
#: Messages that are looked at, or sent, together.
_CHUNK = 500
#: Seconds between two looks for letters that have died: for who looks into RabbitMQ's console.
_POLL = 2.0
#: Seconds without a message after which the queue counts as gone through.
_PATIENCE = 2.0
#: Seconds before it tries again after a failure that nobody foresaw.
_AFTER_FAILURE = 10.0
#: It goes through the queue at most this share of the time.
_SHARE = 0.1


class DeadLetterMirror:
    """The mirror of one service. Several may run: one works, the others stand by."""

    def __init__(self, service: str, broker: Broker, engine: Engine, *, compare_every: float = 10.0) -> None:
        """Take the two places to be kept in line.

        `compare_every`: seconds, at least, between two comparisons of the number of letters with that of messages.
        """
        self._queue = dead_queue(service)
        self._service = service
        self._broker = broker
        self._engine = engine
        self._poll = min(_POLL, compare_every)
        self._compare_every = compare_every
        self._stop = threading.Event()
        #: Set while this one works, and not another process of the service.
        self.works = threading.Event()
        #: By the monotonic clock: not before then is the queue looked at again.
        self._compare_at = 0.0
        #: Likewise after a failure that nobody foresaw.
        self._resume_at = 0.0
        #: What was logged last of a broker that is away.
        self._said = ""

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. A server that is away is waited for."""
        self._stop = stop
        while not stop.is_set():
            try:
                with self._place() as connection:
                    while not stop.is_set():
                        self._look(connection)
                        stop.wait(self._poll)
            except Exception as error:  # noqa: BLE001 (whatever it is, others wait for the place to be taken)
                _log.warning("the mirror of the dead letters waits for the database: %s", getattr(error, "orig", error))
                stop.wait(self._poll)

    @contextmanager
    def _place(self) -> Iterator[Connection]:
        """Yield a connection that holds the lock, as soon as nobody else does or the mirror is stopped."""
        with self._engine.connect() as connection:
            connection.detach()  # the lock ends with the connection, so that must not go back to the pool
            while not _lock(connection) and not self._stop.wait(self._poll):
                pass
            self._compare_at = 0.0
            self.works.set()
            try:
                yield connection
            finally:
                self.works.clear()

    def _look(self, connection: Connection) -> None:
        """Bring the queue into line. Who fails at that keeps the place all the same: more depends on it."""
        if time.monotonic() < self._resume_at:
            return
        try:
            self._send_letters(connection)
            if time.monotonic() >= self._compare_at:
                self._compare(connection)
            self._said = ""
        except BrokerUnavailable as error:
            self._make_do_without(error)
        except Exception as error:
            if isinstance(error, DBAPIError) and database_is_away(error):
                raise  # and with the connection went the place
            _log.exception("the dead-letter queue cannot be brought into line")
            self._resume_at = time.monotonic() + _AFTER_FAILURE

    def _make_do_without(self, error: BrokerUnavailable) -> None:
        """Say once why the broker is of no use. It may answer, and only the queue be gone."""
        if str(error) != self._said:
            _log.warning("the mirror of the dead letters waits for the broker: %s", error)
        self._said = str(error)
        try:
            self._broker.declare(dead_letter_topology(self._service))
        except BrokerUnavailable:
            pass  # which was said just now
        except TopologyConflict as conflict:
            _log.warning("the dead-letter queue is not as it should be: %s", conflict)

    def _send_letters(self, connection: Connection) -> None:
        """Give a message to each letter that lacks one."""
        while not self._stop.is_set():
            with _transaction(connection) as session:
                letters = mirrored.letters_to_send(session, _CHUNK)
            if not letters:
                return
            with self._forwarder() as forwarder:
                if not _send(forwarder, letters, self._service):
                    return
            with _transaction(connection) as session:
                mirrored.mark_sent(session, [shown.label for shown in letters])

    def _compare(self, connection: Connection) -> None:
        """If the queue does not hold one message for each letter, go through it."""
        began = time.monotonic()
        with _transaction(connection) as session:
            amiss, expected = mirrored.some_have_to_go(session), mirrored.count_mirrored(session)
        queue = self._state(expected)
        if (amiss or queue.ready != expected) and not queue.consumers:  # else somebody has some of it in hands
            self._go_through(connection, queue.ready, all_of_it=not amiss)
        took = time.monotonic() - began
        self._compare_at = time.monotonic() + max(self._compare_every, took / _SHARE)

    def _state(self, expected: int) -> QueueState:
        """Return how the queue stands in which so many messages are expected.

        RabbitMQ calls a quorum queue empty, too, whose leader does not answer within a quarter of a second
        (`rabbit_quorum_queue:stat/2`), and what is not there is put back: that it is empty, it has to say twice.
        """
        state = self._broker.queue_state(self._queue)
        plausible = state.ready or state.consumers or not expected
        return state if plausible else self._broker.queue_state(self._queue)

    def _go_through(self, connection: Connection, length: int, *, all_of_it: bool) -> None:
        """Look at so many messages from the head of the queue; unless all of it is wanted, until none has to go."""
        with _transaction(connection) as session:
            since = mirrored.now(session)
        receiver = self._broker.receiver(self._queue, _CHUNK)
        try:
            with self._forwarder() as forwarder:
                while length > 0 and (chunk := self._take(receiver, min(_CHUNK, length))):
                    if not self._sort_out(connection, forwarder, receiver, chunk, since):
                        return
                    length -= len(chunk)
                    if not all_of_it and not self._some_have_to_go(connection):
                        return
        finally:
            receiver.close()  # what is not acked goes back, in its order
        if length <= 0 and not self._stop.is_set():
            self._find_missing(connection, since)

    def _sort_out(
        self,
        connection: Connection,
        forwarder: Forwarder,
        receiver: Receiver,
        messages: Sequence[Delivery],
        since: datetime,
    ) -> bool:
        """Send what stays to the end of the queue, and take out the rest. False when stopped before."""
        labels = [label_of(message.headers) for message in messages]
        found = {label for label in labels if label}
        with _transaction(connection) as session:
            known = mirrored.known_letters(session, {label.letter_id for label in found})
            for message, label in zip(messages, labels, strict=True):
                if label is None or label.death > known.get(label.letter_id, 0):
                    _record(session, message)
            staying = mirrored.keep(session, found, since=since)
            mirrored.forget(session, [label.letter_id for label in found])
            letters = mirrored.letters(session, staying)
        if not _send(forwarder, letters, self._service):
            return False
        receiver.ack(messages)
        if len(letters) < len(messages):
            _log.info("%s: %d of %d messages stay", self._queue, len(letters), len(messages))
        return True

    def _some_have_to_go(self, connection: Connection) -> bool:
        with _transaction(connection) as session:
            return mirrored.some_have_to_go(session)

    def _find_missing(self, connection: Connection, since: datetime) -> None:
        """Have those sent again whose message somebody took out of the queue, or that the broker lost."""
        with _transaction(connection) as session:
            missing = mirrored.forget_unseen(session, since)
        if missing:
            _log.warning("%s lacks %d dead letters: putting them back", self._queue, missing)

    def _take(self, receiver: Receiver, count: int) -> list[Delivery]:
        """Return so many messages, in order, unsettled; fewer if no more come.

        Raises BrokerUnavailable when the connection was lost: what was delivered over it comes again.
        """
        taken: list[Delivery] = []
        while len(taken) < count and not self._stop.is_set():
            found = receiver.receive(count - len(taken), _PATIENCE)
            if not found:
                break
            taken += found
        if len({message.connection for message in taken}) > 1:
            raise BrokerUnavailable("the connection was lost while the dead letters were looked at")
        return taken

    @contextmanager
    def _forwarder(self) -> Iterator[Forwarder]:
        own = OwnTopology(self._broker, dead_letter_topology(self._service), self._stop)
        forwarder = Forwarder(self._broker, own, self._stop)
        try:
            yield forwarder
        finally:
            forwarder.close()


def _send(forwarder: Forwarder, letters: Sequence[mirrored.Shown], service: str) -> bool:
    """Send the messages of letters and wait until the broker has them all. False when stopped before."""
    forwarder.send([dead_message(shown.letter, shown.head, service) for shown in letters])
    return forwarder.confirmed()


def _lock(connection: Connection) -> bool:
    locked = connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK})
    connection.commit()
    return bool(locked)


@contextmanager
def _transaction(connection: Connection) -> Iterator[Session]:
    """Yield a session on the connection that holds the lock: who has lost the lock can mark nothing."""
    with Session(connection, expire_on_commit=False) as session, session.begin():
        yield session


def _record(session: Session, message: Delivery) -> None:
    """Give a letter to a message that has none. Nobody is to wait for it: it was not handled in its turn."""
    error = _why_unrecorded(message)
    event = event_of(message, error)
    line = Line(event.aggregate, event.sequence, strict=False) if event else None
    lock_lines(session)
    die(session, message, None, error, attempts=1, line=line)
    release(session, [line.aggregate] if line else [])


def _why_unrecorded(delivery: Delivery) -> PermanentError:
    """Say why the message is among the dead letters. Only one that no queue was bound for still has its routing key."""
    try:
        require_its_producer(delivery, Event.from_bytes(delivery.body))
    except NotFromItsProducer as error:
        return error
    except PermanentError:
        pass  # no event claims a producer
    if is_type(delivery.routing_key):
        return UnknownType(f"nobody listens to {delivery.routing_key!r}")
    return GivenUpByBroker(_who_gave_it_up(delivery))


def _who_gave_it_up(delivery: Delivery) -> str:
    """Say what RabbitMQ says of why it moved the message (https://www.rabbitmq.com/docs/dlx#effects)."""
    why = delivery.headers.get("x-first-death-reason")
    if why is None:
        return "somebody put it among the dead letters"
    return f"RabbitMQ moved it out of {delivery.headers.get('x-first-death-queue')}: {why}"
