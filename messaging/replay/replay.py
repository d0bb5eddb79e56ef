"""A replay from its beginning to its end: pause, perhaps forget, send, handle, go on."""

import heapq
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from messaging.consumer import Consumer
from messaging.database import database_is_away
from messaging.dispatch import HandlerTable
from messaging.envelope import Event
from messaging.errors import BrokerUnavailable, ReplayLost, ReplayRefused, ReplayStopped
from messaging.observer import Observer, OutcomeName
from messaging.outgoing import outgoing
from messaging.replay import pause
from messaging.replay.history import History, Producer, Survey
from messaging.replay.queue import ReplayQueue, numbered
from messaging.replay.sending import WINDOW, Sender
from messaging.replay.verdicts import Verdicts, after_verdict, read_verdicts
from messaging.retry import RetryPolicy
from messaging.schemas import SchemaRegistry
from messaging.topology import DEFAULT_EXCHANGE, consumer_topology, replay_exchange, replay_key, replay_queue
from messaging.transport import Broker, Message

#: Empties what a rebuild is to fill again, in the transaction of the session.
Forget = Callable[[Session], None]
#: Gets how many events are done, and of how many.
Progress = Callable[[int, int], None]

#: Events in one transaction, at most. More than of live ones: nobody waits for the first of them.
_BATCH = WINDOW // 2
#: Seconds in which a producer's connection to the broker has to be there.
_CONNECTS_WITHIN = 10.0
#: Seconds between two attempts to reach a database that is away.
_PAUSE = 0.5


@dataclass
class ReplayReport:
    """What a replay has done."""

    #: Events sent, by producer.
    sent: Counter[str] = field(default_factory=Counter)
    #: What became of them: with `retry` and `waiting` the live consumer goes on.
    outcomes: Counter[OutcomeName] = field(default_factory=Counter)
    #: Events that are among the dead letters, or were discarded there, and so were not sent.
    stayed_dead: int = 0
    seconds: float = 0.0


def producers_of(names: Collection[str]) -> list[str]:
    """Return who publishes these events."""
    return sorted({name.partition(".")[0] for name in names})


class Replay:
    """Sends what producers have published once more, to one service only, and has it handled.

    The service's live consumers pause as long as it lasts. Whoever was killed in the middle is run again: it begins
    anew, and what was handled already has no second effect.
    """

    def __init__(
        self,
        service: str,
        broker: Broker,
        sessions: sessionmaker[Session],
        handlers: HandlerTable,
        registry: SchemaRegistry,
        producers: Sequence[Producer],
        *,
        names: Collection[str] | None = None,
        since: datetime | None = None,
        forget: Forget | None = None,
        exchange: str = DEFAULT_EXCHANGE,
        retry: RetryPolicy | None = None,
    ) -> None:
        """Take what the service's Consumer takes, and whose events are wanted.

        `names`: which events, without versions; by default all that the service listens to. `since`: only those made
        then or later. `forget`: empties the service's tables; the service is then rebuilt from the events alone. Not
        for one whose handlers publish: they would publish again.
        Raises ReplayRefused for events that the service does not listen to, and for a rebuild from a part of them.
        """
        given = {producer.name for producer in producers}
        wanted = set(names) if names else {name for name in handlers if name.partition(".")[0] in given}
        if strange := sorted(wanted - set(handlers)) or sorted(given - set(producers_of(handlers))):
            raise ReplayRefused(f"{service} does not listen to {', '.join(strange)}")
        if missing := sorted(set(producers_of(wanted)) - given):
            raise ReplayRefused(f"events of {', '.join(missing)} are wanted, who is not among the producers")
        if forget and (since or wanted < set(handlers)):
            raise ReplayRefused(f"{service} can be rebuilt only from all events that it listens to, from the first one")
        self._service = service
        self._broker = broker
        self._sessions = sessions
        self._handlers = handlers
        self._registry = registry
        self._producers = producers
        self._wanted = wanted
        self._since = since
        self._forget = forget
        self._exchange = exchange
        self._retry = retry or RetryPolicy()
        self._report = ReplayReport()

    def survey(self) -> list[Survey]:
        """Return how much there is to replay, and how much is there no more."""
        return [history.survey() for history in self._histories(threading.Event())]

    def run(self, stop: threading.Event, progress: Progress = lambda _done, _total: None) -> ReplayReport:
        """Carry it out; may be called once. `progress` is called again and again.

        Raises ReplayRefused if somebody else is at it, or if only a rebuild can help; ReplayStopped when `stop` is set
        before the end, ReplayLost when somebody else gives the replay up; BrokerUnavailable if there is no broker to
        begin with. Servers that go away later are waited for.
        """
        began = time.monotonic()
        with pause.only_one(self._sessions):
            self._broker.declare(consumer_topology(self._service, self._handlers, exchange=self._exchange))
            self._check_producers()
            run, forgot = self._begin()
            try:
                self._carry_out(run, stop, progress)
            except ReplayStopped as error:
                if forgot:
                    raise ReplayStopped(f"stopped; {self._service} stays paused until it is rebuilt") from error
                self._finish(run, stop)
                raise ReplayStopped(f"stopped; {self._service} goes on as before") from error
            except ReplayLost:
                raise
            except Exception:
                if not forgot:  # else only a rebuild can help, and the consumers stay paused until then
                    self._finish(run, stop)
                raise
            self._finish(run, stop)
        self._report.seconds = time.monotonic() - began
        return self._report

    def _check_producers(self) -> None:
        """Raise what is wrong with a producer's database, or BrokerUnavailable, before anything is paused."""
        self.survey()
        for producer in self._producers:
            publisher = producer.broker.publisher()
            try:
                if not publisher.wait_until_connected(_CONNECTS_WITHIN):
                    raise BrokerUnavailable(f"no connection to send the events of {producer.name}")
            finally:
                publisher.close()

    def _begin(self) -> tuple[UUID, bool]:
        """Pause the live consumers, and forget if that is wanted. Return the run, and whether anything is forgotten."""
        with self._sessions.begin() as session:
            begun = pause.begin(session, ", ".join(sorted(self._wanted)))
            if begun.forgot and not self._forget:
                raise ReplayRefused(f"a rebuild of {self._service} was cut short: it has to be rebuilt first")
        if self._forget:
            with self._sessions.begin() as session:
                pause.forget(session, begun.run, self._forget)
        return begun.run, bool(self._forget)

    def _carry_out(self, run: UUID, stop: threading.Event, progress: Progress) -> None:
        over = threading.Event()
        histories = self._histories(stop)
        for history in histories:
            history.end_here()
        total = sum(history.retained() for history in histories)
        with self._sessions() as session:
            verdicts = read_verdicts(session)
        with ExitStack() as stack:
            receiver = self._broker.receiver(replay_queue(self._service), prefetch=2 * WINDOW)
            stack.callback(receiver.close)
            queue = ReplayQueue(receiver, run)
            publishers = {producer.name: producer.broker.publisher() for producer in self._producers}
            for publisher in publishers.values():
                stack.callback(publisher.close)
            handling = stack.enter_context(ThreadPoolExecutor(1)).submit(self._consumer().run_replay, over, run, queue)
            stack.callback(over.set)

            def look() -> None:
                if handling.done():
                    handling.result()
                if stop.is_set():
                    raise ReplayStopped
                progress(queue.settled + self._report.stayed_dead, total)

            Sender(publishers, queue).send_all(self._messages(histories, run, verdicts), look=look)
            progress(total, total)

    def _messages(self, histories: Sequence[History], run: UUID, verdicts: Verdicts) -> Iterator[Message]:
        """Yield the messages, numbered. Producers are heard in turn, as they were at the time."""
        exchange, number = replay_exchange(self._exchange), 0
        for event in heapq.merge(*(history.events() for history in histories), key=attrgetter("created_at")):
            message = after_verdict(outgoing(event, exchange=exchange, routing_key=""), verdicts)
            if message is None:
                self._report.stayed_dead += 1
                continue
            number += 1
            self._report.sent[message.app_id] += 1
            addressed = message._replace(routing_key=replay_key(self._service, message.type))
            yield numbered(addressed, run, number)

    def _finish(self, run: UUID, stop: threading.Event) -> None:
        while True:
            try:
                with self._sessions.begin() as session:
                    return pause.finish(session, run)
            except DBAPIError as error:
                if not database_is_away(error) or stop.wait(_PAUSE):
                    raise

    def _histories(self, stop: threading.Event) -> list[History]:
        return [History(producer, self._wanted, self._since, stop) for producer in self._producers]

    def _consumer(self) -> Consumer:
        return Consumer(
            self._service,
            self._broker,
            self._sessions,
            self._handlers,
            self._registry,
            exchange=self._exchange,
            retry=self._retry,
            batch=_BATCH,
            observer=_Tally(self._report.outcomes),
        )


class _Tally(Observer):
    def __init__(self, outcomes: Counter[OutcomeName]) -> None:
        self._outcomes = outcomes

    def outcome(self, outcome: OutcomeName, event: Event | None) -> None:  # noqa: ARG002
        self._outcomes[outcome] += 1
