"""A small house to try messaging in: one database that both publishes and consumes `shop.sold`, on real servers."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID, uuid4

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from messaging import (
    Batch,
    Consumer,
    Event,
    HandlerTable,
    InOrder,
    Observer,
    OutcomeName,
    RabbitBroker,
    Relay,
    RetryPolicy,
    SchemaRegistry,
    bind_outbox,
    caused_by,
    count_waiting,
    create_tables,
    outbox_status,
    publish,
)
from messaging.database import new_engine
from messaging.dead_letters import DeadLetterView, list_dead_letters
from messaging.dead_letters.mirror import DeadLetterMirror
from messaging.envelope import CONTENT_TYPE
from messaging.errors import BrokerUnavailable
from messaging.replay import Producer, Replay
from messaging.topology import consumer_topology, events_queue, shared_topology
from messaging.transport import Delivery, Message, Outcome
from tests.waiting import PATIENCE, eventually

SOLD = "shop.sold"
#: Nobody listens to it.
COUNTED = "shop.counted"
SCHEMA = {
    "type": "object",
    "required": ["n"],
    "additionalProperties": False,
    "properties": {"n": {"type": "integer"}, "colour": {"type": "string", "default": "green"}},
}


class Base(DeclarativeBase):
    """The house's own tables."""


class Shelf(Base):
    """An aggregate: whoever sells from it locks it."""

    __tablename__ = "shelf"
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(default=0)


class Effect(Base):
    """What the consumer did, in the order in which it was done."""

    __tablename__ = "effect"
    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    subject: Mapped[str]
    sequence: Mapped[int]
    n: Mapped[int]


@dataclass
class OutcomeCounter(Observer):
    """Counts what became of deliveries."""

    counted: Counter[str]

    def outcome(self, outcome: OutcomeName, event: Event | None) -> None:  # noqa: ARG002
        self.counted[outcome] += 1


def _forget_effects(session: Session) -> None:
    session.execute(delete(Effect))


@dataclass
class House:
    """Both servers, and the threads that were started."""

    database_url: str
    amqp_url: str
    handler: Callable[[Session, Event], None] = lambda session, event: None
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(attempts=4, delays_ms=(50, 200), jitter=0))
    #: Names its queues: who is given the name of another house works in that one.
    name: str = field(default_factory=lambda: f"h{uuid4().hex[:8]}")
    #: Where its events go and come from: its own, unless it is to hear those of another house.
    exchange: str = ""
    #: Whether its handler gets one event at a time or a batch.
    in_batches: bool = False
    #: Whether later events wait behind a dead letter.
    keeps_order: bool = False

    def __post_init__(self) -> None:
        self.exchange = self.exchange or f"{self.name}.events"
        self.engine = new_engine(self.database_url, pool_pre_ping=True)
        Base.metadata.create_all(self.engine)
        create_tables(self.engine)
        versions = {1: {**SCHEMA}, 2: {**SCHEMA, "required": ["n", "colour"]}}
        self.registry = SchemaRegistry({SOLD: versions, COUNTED: versions})
        self.sessions = sessionmaker(self.engine)
        bind_outbox(self.sessions, self.registry, self.engine)
        self.broker = RabbitBroker(self.amqp_url, name=self.name)
        self.broker.declare(shared_topology(self.exchange))
        self.outcomes: Counter[str] = Counter()
        self._running: list[tuple[threading.Event, threading.Thread]] = []

    def relay(self, **options: Any) -> Relay:
        """Start a relay; it is stopped with the house, or by `stop_last`."""
        relay = self.make_relay(**options)
        self._start(relay.run)
        return relay

    def make_relay(self, **options: Any) -> Relay:
        """Return a relay that does not run yet."""
        return Relay(self.database_url.replace("+psycopg2", ""), self.broker, exchange=self.exchange, **options)

    def consumer(self, **options: Any) -> Consumer:
        """Start a consumer and wait until it is subscribed."""
        consumer = self.make_consumer(**options)
        self._start(consumer.run)
        eventually(consumer.active.is_set)
        return consumer

    def make_consumer(self, **options: Any) -> Consumer:
        """Return a consumer that does not run yet."""
        return Consumer(
            self.service,
            self.broker,
            self.sessions,
            self.handlers,
            self.registry,
            exchange=self.exchange,
            retry=self.retry,
            **{**dict[str, Any](observer=OutcomeCounter(self.outcomes), compare_every=0.1), **options},
        )

    def make_replay(self, *, of: Self | None = None, rebuild: bool = False, **options: Any) -> Replay:
        """Return a replay to this house of what another one, or this one, has published."""
        source = of or self
        return Replay(
            self.service,
            self.broker,
            self.sessions,
            self.handlers,
            self.registry,
            [Producer("shop", source.engine, source.broker)],
            forget=_forget_effects if rebuild else None,
            exchange=self.exchange,
            retry=self.retry,
            **options,
        )

    def subscribe(self) -> None:
        """Declare the queues, so that nothing is missed before a consumer runs."""
        self.broker.declare(consumer_topology(self.service, [SOLD], exchange=self.exchange))

    def mirror(self, **options: Any) -> DeadLetterMirror:
        """Start a mirror of the dead letters without a consumer."""
        mirror = DeadLetterMirror(self.service, self.broker, self.engine, **{"compare_every": 0.1} | options)
        self._start(mirror.run)
        return mirror

    @property
    def service(self) -> str:
        return f"{self.name}shop"

    def _start(self, run: Callable[[threading.Event], None]) -> None:
        stop = threading.Event()
        thread = threading.Thread(target=run, args=(stop,))
        thread.start()
        self._running.append((stop, thread))

    def stop_last(self) -> None:
        """Stop what was started last."""
        stop, thread = self._running.pop()
        stop.set()
        thread.join()

    def close(self) -> None:
        """Stop everything."""
        while self._running:
            self.stop_last()
        self.engine.dispose()

    def sell(self, subject: str, n: int = 0) -> Event:
        """One command: lock the shelf, count it up, publish, commit."""
        with self.sessions.begin() as session:
            return self.sell_in(session, subject, n)

    def count(self, subject: str) -> Event:
        """Another command, of which nobody wants to hear."""
        with self.sessions.begin() as session:
            return self.sell_in(session, subject, name=COUNTED)

    def sell_in(self, session: Session, subject: str, n: int = 0, *, name: str = SOLD) -> Event:
        """The same in the caller's transaction."""
        session.execute(text("INSERT INTO shelf VALUES (:name, 0) ON CONFLICT (name) DO NOTHING"), {"name": subject})
        shelf = session.scalars(select(Shelf).where(Shelf.name == subject).with_for_update()).one()
        shelf.version += 1
        event = Event.new(f"{name}.v2", subject=subject, sequence=shelf.version, data={"n": n, "colour": "red"})
        publish(session, event)
        return event

    def draw_ids(self, session: Session) -> None:
        """Have what was published so far written now and not at the commit: who commits later has the higher ids."""
        with session.begin_nested():
            pass

    def send_raw(self, *messages: bytes, content_type: str = CONTENT_TYPE, type: str = f"{SOLD}.v1") -> None:
        """Put messages on the exchange past the outbox, as a broken or hostile producer would."""
        self.send(
            Message(0, self.exchange, type, body, content_type, message_id=str(uuid4()), type=type) for body in messages
        )

    def send(self, messages: Iterable[Message]) -> None:
        """Send messages, and wait until the broker has them all. Their tags are given here."""
        numbered = [message._replace(tag=tag) for tag, message in enumerate(messages)]
        publisher = self.broker.publisher()
        publisher.send(numbered)
        outcomes: list[Outcome] = []

        def all_are_answered() -> bool:
            outcomes.extend(publisher.outcomes(0.1))
            return len(outcomes) == len(numbered)

        eventually(all_are_answered)
        publisher.close()
        assert [outcome.reason for outcome in outcomes if not outcome.confirmed] == []

    @property
    def handlers(self) -> HandlerTable:
        """The subscription."""
        handler = Batch(self._handle_batch) if self.in_batches else self._handle
        return {SOLD: InOrder(handler) if self.keeps_order else handler}

    def _handle_batch(self, session: Session, events: Sequence[Event]) -> None:
        for event in events:
            with caused_by(event):
                self._handle(session, event)

    def _handle(self, session: Session, event: Event) -> None:
        self.handler(session, event)
        session.execute(
            insert(Effect).values(event_id=event.id, subject=event.subject, sequence=event.sequence, n=event.data["n"])
        )

    def effects(self, subject: str | None = None) -> list[Effect]:
        """What was done so far, in order."""
        with self.sessions() as session:
            wanted = select(Effect).order_by(Effect.id)
            return list(session.scalars(wanted.where(Effect.subject == subject) if subject else wanted))

    def sequences(self, subject: str) -> list[int]:
        """The sequence numbers in the order in which they were handled."""
        return [effect.sequence for effect in self.effects(subject)]

    def wait_for_effects(self, count: int, *, timeout: float = PATIENCE) -> None:
        """Wait until that many effects are there."""
        eventually(lambda: self._count(Effect) >= count, timeout=timeout)

    def pending(self) -> int:
        """Events that the broker has not confirmed."""
        with self.sessions() as session:
            return outbox_status(session).pending

    def unfinished(self) -> dict[str, int]:
        """What is still to be done, by the place in which it lies; messages in a consumer's hands are not seen."""
        queue = events_queue(self.service)
        with self.sessions() as session:
            found = {queue: self.broker.queue_state(queue).ready, "waiting": count_waiting(session)}
        found |= {"pending": self.pending()}
        return {place: count for place, count in found.items() if count}

    def _count(self, table: type[DeclarativeBase]) -> int:
        with self.sessions() as session:
            return session.scalars(select(func.count()).select_from(table)).one()

    def dead_letters(self) -> list[DeadLetterView]:
        """All dead letters on record."""
        with self.sessions() as session:
            return list_dead_letters(session, limit=1000)

    def dead_in_queue(self) -> int:
        """How many messages the dead-letter queue holds, as the management console counts them; none if it is gone."""
        try:
            return self.broker.queue_state(f"{self.service}.dead").ready
        except BrokerUnavailable:
            return 0

    def queued(self, queue: str, count: int) -> Iterable[bytes]:
        """Take so many messages out of a queue."""
        receiver = self.broker.receiver(queue, prefetch=1000)
        found: list[Delivery] = []

        def take() -> bool:
            arrived = receiver.receive(1000, 0.1)
            receiver.ack(arrived)
            found.extend(arrived)
            return len(found) >= count

        eventually(take)
        receiver.close()
        return [delivery.body for delivery in found]
