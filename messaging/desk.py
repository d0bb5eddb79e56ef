"""The dead-letter desk: carries out what people have decided, and keeps the queue and the database in line.

People write decisions into the database; only the desk touches RabbitMQ. It may die at any line:
sent and not marked: sent again, and the inbox of the consumer drops the copy; marked and still in the queue: taken
out at the next look. A letter that died again meanwhile has a higher number of deaths, and stays.
"""

import logging
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from messaging.dead_letters import State, count_dead_letters, letter_ids, record_dead_letter
from messaging.dead_letters.messages import dead_message, living_message
from messaging.dead_letters.orders import mark_carried_out, open_letter_ids, open_letters, open_orders, standings
from messaging.dead_letters.rules import Fate, fate_of, label_of
from messaging.envelope import Event, is_type
from messaging.errors import BrokerUnavailable, GivenUpByBroker, NotFromItsProducer, PermanentError, UnknownType
from messaging.received import attempts_so_far
from messaging.redirect import Redirector
from messaging.sender import require_its_producer
from messaging.topology import dead_letter_topology, dead_queue
from messaging.transport import Broker, Delivery, Message, QueueState, Receiver

_log = logging.getLogger(__name__)

#: Any number will do that nothing else in the service's database locks.
_LOCK = 0x0B0C5_0002
#: Letters read, sent and marked together.
_AT_ONCE = 200
#: Messages of the queue that are looked at together.
_CHUNK = 500
#: Seconds without a message after which the desk looks at what it has got.
_PATIENCE = 2.0
#: A letter is recorded a moment before its message is in the queue; after this time something has happened to that.
_UNDER_WAY = timedelta(seconds=60)
#: Seconds before the desk starts anew after a failure that nobody foresaw.
_AFTER_FAILURE = 10.0


class DeadLetterDesk:
    """The desk of one service. Several may run: one works, the others stand by."""

    def __init__(
        self, service: str, broker: Broker, engine: Engine, *, poll: float = 1.0, compare_every: float = 10.0
    ) -> None:
        """Take the two places to be kept in line.

        `poll`: seconds between two looks for decisions. `compare_every`: seconds between two comparisons of the
        number of letters with the number of messages.
        """
        self._service = service
        self._queue = dead_queue(service)
        self._topology = dead_letter_topology(service)
        self._broker = broker
        self._engine = engine
        self._poll = poll
        self._compare_every = compare_every
        self._stop = threading.Event()
        #: Seconds until the numbers are compared again.
        self._compare_in = 0.0
        #: Letters that are closed and whose messages have yet to go.
        self._leaving: set[UUID] = set()
        #: What was logged last of a broker that is away.
        self._said = ""

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. A server that is away is waited for."""
        self._stop = stop
        while not stop.is_set():
            try:
                with self._place() as connection:
                    self._work(connection)
            except DBAPIError as error:
                _log.warning("the dead-letter desk waits for the database: %s", error.orig)
                stop.wait(self._poll)
            except Exception:  # noqa: BLE001 (nobody would notice that the desk is gone)
                _log.exception("the dead-letter desk failed and starts anew")
                stop.wait(_AFTER_FAILURE)

    @contextmanager
    def _place(self) -> Iterator[Connection]:
        """Yield a connection that holds the lock of the desk, as soon as nobody else does or the desk is stopped."""
        with self._engine.connect() as connection:
            connection.detach()  # the lock ends with the connection, so that must not go back to the pool
            while not _lock(connection) and not self._stop.wait(self._poll):
                pass
            self._compare_in = 0.0
            yield connection

    def _work(self, connection: Connection) -> None:
        while not self._stop.is_set():
            try:
                self._carry_out_orders(connection)
                if self._leaving or self._compare_in <= 0:
                    self._bring_queue_in_line(connection)
                self._said = ""
            except BrokerUnavailable as error:
                self._make_do_without(error)
            self._stop.wait(self._poll)
            self._compare_in -= self._poll

    def _make_do_without(self, error: BrokerUnavailable) -> None:
        """Say once why the broker is of no use. It may answer, and only the queue be gone."""
        if str(error) != self._said:
            _log.warning("the dead-letter desk waits for the broker: %s", error)
        self._said = str(error)
        with suppress(BrokerUnavailable):
            self._broker.declare(self._topology)

    def _carry_out_orders(self, connection: Connection) -> None:
        """Do what people have decided."""
        while not self._stop.is_set():
            with _transaction(connection) as session:
                letters = open_orders(session, _AT_ONCE)
            if not letters:
                break
            replays = [letter for letter in letters if letter.state == State.REPLAY_REQUESTED]
            if not self._send([living_message(letter, self._service) for letter in replays]):
                break
            with _transaction(connection) as session:
                mark_carried_out(session, letters)
            self._leaving |= {letter.id for letter in letters}
            _log.info("dead letters: %d replayed, %d discarded", len(replays), len(letters) - len(replays))

    def _bring_queue_in_line(self, connection: Connection) -> None:
        """If there are not as many messages as letters, look at every message and mend what is amiss.

        If there are but for those that have to go, look until these are found.
        """
        with _transaction(connection) as session:
            letters = count_dead_letters(session)
        queue = self._state()
        if self._leaving or queue.ready != letters:
            if queue.consumers:  # or our own receiver has not quite gone yet
                _log.info("somebody else receives from %s: looking again soon", self._queue)
                return
            receiver = self._broker.receiver(self._queue, _CHUNK)
            try:
                self._look_at(connection, receiver, queue.ready, all_of_it=queue.ready - len(self._leaving) != letters)
            finally:
                receiver.close()  # what is not acked goes back, in its order
        self._leaving.clear()
        self._compare_in = self._compare_every

    def _state(self) -> QueueState:
        """Return how the queue stands.

        RabbitMQ calls a quorum queue empty, too, whose leader does not answer within a quarter of a second
        (`rabbit_quorum_queue:stat/2`), and what is not there is put back: that it is empty, it has to say twice.
        """
        state = self._broker.queue_state(self._queue)
        return state if state.ready or state.consumers else self._broker.queue_state(self._queue)

    def _look_at(self, connection: Connection, receiver: Receiver, expected: int, *, all_of_it: bool) -> None:
        """Go through the queue from its head, with one chunk of it in memory."""
        staying: set[UUID] = set()
        seen, number = 0, None
        while seen < expected and (chunk := self._take(receiver, min(_CHUNK, expected - seen))):
            number = number or chunk[0].connection
            if any(message.connection != number for message in chunk):
                raise BrokerUnavailable("the connection was lost, and all that was looked at comes again")
            self._sort_out(connection, receiver, chunk, staying)
            if not all_of_it and not self._leaving:
                return
            seen += len(chunk)
            if seen < expected:
                receiver.go_on()
        if seen >= expected:
            self._restore(connection, staying)

    def _sort_out(
        self, connection: Connection, receiver: Receiver, messages: Sequence[Delivery], staying: set[UUID]
    ) -> None:
        """Take out of the queue what does not belong there, and add to `staying` the letters of the others."""
        labels = [label_of(message.headers) for message in messages]
        with _transaction(connection) as session:
            known = standings(session, {label.letter_id for label in labels if label})
        going: list[Delivery] = []
        unrecorded: list[Delivery] = []
        for message, label in zip(messages, labels, strict=True):
            fate = fate_of(label, known.get(label.letter_id) if label else None)
            if label is None or fate is Fate.UNRECORDED:
                unrecorded.append(message)
            elif fate is Fate.GOES or label.letter_id in staying:  # of two copies one is enough
                self._leaving.discard(label.letter_id)
                going.append(message)
            else:
                staying.add(label.letter_id)
        if self._record(connection, unrecorded):
            receiver.ack(going + unrecorded)
            if going or unrecorded:
                _log.info("%s: %d go, %d recorded", self._queue, len(going), len(unrecorded))

    def _take(self, receiver: Receiver, count: int) -> list[Delivery]:
        """Return so many messages, in order, unsettled; fewer if no more come."""
        taken: list[Delivery] = []
        while len(taken) < count and not self._stop.is_set():
            found = receiver.receive(count - len(taken), _PATIENCE)
            if not found:
                break
            taken += found
        return taken

    def _record(self, connection: Connection, messages: Sequence[Delivery]) -> bool:
        """Give a letter to messages that have none, and send them to the queue again with its label.

        Tell whether that is certain, so that the first ones can be acked.
        """
        if not messages:
            return True
        redirector = Redirector(self._broker, self._service, self._topology, self._stop)
        try:
            with _transaction(connection) as session:
                for message in messages:
                    error = _why_unrecorded(message)
                    attempts = max(1, attempts_so_far(message))
                    letter = record_dead_letter(session, letter_ids(message, error), message, error, attempts=attempts)
                    if letter is not None:  # else its letter has a message of its own, or wants none
                        redirector.send(dead_message(letter, self._service))
            return redirector.confirmed()
        finally:
            redirector.close()

    def _restore(self, connection: Connection, present: Collection[UUID]) -> None:
        """Put letters back whose message somebody else took out of the queue, or that the broker lost."""
        with _transaction(connection) as session:
            missing = [key for key in open_letter_ids(session, dead_for=_UNDER_WAY) if key not in present]
        if missing:
            _log.warning("%s lacks %d dead letters: putting them back", self._queue, len(missing))
        for start in range(0, len(missing), _AT_ONCE):
            with _transaction(connection) as session:
                letters = open_letters(session, missing[start : start + _AT_ONCE])
            if not self._send([dead_message(letter, self._service) for letter in letters]):
                return

    def _send(self, messages: Sequence[Message]) -> bool:
        """Send messages and wait until the broker has them all. False when stopped before."""
        if not messages:
            return True
        redirector = Redirector(self._broker, self._service, self._topology, self._stop)
        try:
            for message in messages:
                redirector.send(message)
            return redirector.confirmed()
        finally:
            redirector.close()


def _lock(connection: Connection) -> bool:
    locked = connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK})
    connection.commit()
    return bool(locked)


@contextmanager
def _transaction(connection: Connection) -> Iterator[Session]:
    """Yield a session on the connection that holds the lock: who has lost the lock can mark nothing."""
    with Session(connection, expire_on_commit=False) as session, session.begin():
        yield session


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
