"""What is measured: a shop whose sales a bookkeeper books, each with an outbox, an inbox and a ledger of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from typing import Any
from uuid import UUID, uuid4

import psycopg2
from sqlalchemy import Uuid, create_engine, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from chassis.db import engine_url
from messaging import Consumer, Event, Observer, RabbitBroker, Relay, SchemaRegistry, bind_outbox, publish, tables
from messaging.topology import consumer_topology, shared_topology
from tests.benchmarks.servers import SHOP, Servers

SOLD = "shop.item_sold"
TYPE = f"{SOLD}.v1"
EXCHANGE = "bench.events"
BOOKKEEPER = "bookkeeper"
#: Makes an envelope of 600 bytes.
_NOTE = "x" * 168
REGISTRY = SchemaRegistry(
    {
        SOLD: {
            1: {
                "type": "object",
                "additionalProperties": False,
                "required": ["buyer_id", "amount_cents", "note"],
                "properties": {
                    "buyer_id": {"type": "string", "format": "uuid"},
                    "amount_cents": {"type": "integer", "minimum": 1},
                    "note": {"type": "string", "maxLength": 500},
                },
            }
        }
    }
)


class Base(DeclarativeBase):
    """The bookkeeper's tables."""


class Entry(Base):
    """A sale in the ledger."""

    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(Uuid)
    buyer_id: Mapped[UUID] = mapped_column(Uuid)
    amount_cents: Mapped[int]
    booked_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


def book(session: Session, event: Event) -> None:
    """Handle a sale: one entry in the ledger."""
    session.add(
        Entry(event_id=event.id, buyer_id=UUID(event.data["buyer_id"]), amount_cents=event.data["amount_cents"])
    )


def sale(subject: str, sequence: int) -> Event:
    """Make an event of 600 bytes."""
    data = {"buyer_id": str(uuid4()), "amount_cents": 1500, "note": _NOTE}
    return Event.new(TYPE, subject=subject, sequence=sequence, data=data)


@dataclass(frozen=True)
class Shop:
    """Two databases and a vhost."""

    shop_url: str
    bookkeeper_url: str
    amqp_url: str

    @classmethod
    def open(cls, servers: Servers) -> "Shop":
        """Make the databases with their tables, and the queues."""
        shop = cls(
            servers.new_database("tracker").owner_url,
            servers.new_database("billing").owner_url,
            servers.amqp_url(servers.new_vhost(), SHOP),
        )
        for url in (shop.shop_url, shop.bookkeeper_url):
            engine = create_engine(engine_url(url))
            tables.metadata.create_all(engine)
            Base.metadata.create_all(engine)
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO relay_progress VALUES (1, 0)"))
            engine.dispose()
        broker = RabbitBroker(shop.amqp_url, name="bench")
        broker.declare(shared_topology(EXCHANGE))
        broker.declare(consumer_topology(BOOKKEEPER, [SOLD], exchange=EXCHANGE))
        return shop

    def sessions(self) -> sessionmaker[Session]:
        """Return sessions of the shop with its outbox bound."""
        engine = create_engine(engine_url(self.shop_url))
        sessions = sessionmaker(engine)
        bind_outbox(sessions, REGISTRY, engine)
        return sessions

    def fill_outbox(self, events: int, aggregates: int) -> None:
        """Commit pending events, in turn of the aggregates."""
        subjects = [str(uuid4()) for _ in range(aggregates)]
        sessions = self.sessions()
        for start in range(0, events, 1000):
            with sessions.begin() as session:
                for n in range(start, min(start + 1000, events)):
                    publish(session, sale(subjects[n % aggregates], n // aggregates + 1))
        sessions.kw["bind"].dispose()
        connection = psycopg2.connect(self.shop_url)
        connection.autocommit = True
        connection.cursor().execute("VACUUM ANALYZE outbox")
        connection.close()


def run_relay(shop: Shop, observer: Observer | None = None, stop: threading.Event | None = None) -> None:
    """Run our relay until it is told to stop, or killed."""
    relay = Relay(shop.shop_url, RabbitBroker(shop.amqp_url, name="relay"), exchange=EXCHANGE, observer=observer)
    relay.run(stop or threading.Event())


def run_consumer(shop: Shop, observer: Observer | None = None, stop: threading.Event | None = None) -> None:
    """Run our consumer until it is told to stop, or killed."""
    engine = create_engine(engine_url(shop.bookkeeper_url))
    broker = RabbitBroker(shop.amqp_url, name="consumer")
    Consumer(
        BOOKKEEPER, broker, sessionmaker(engine), {SOLD: book}, REGISTRY, exchange=EXCHANGE, observer=observer
    ).run(stop or threading.Event())


@contextmanager
def process(work: Callable[..., None], *arguments: Any) -> Iterator[None]:
    """Run something in a process of its own as long as the block lasts."""
    running = get_context("spawn").Process(target=work, args=arguments, daemon=True)
    running.start()
    try:
        yield
    finally:
        running.kill()
        running.join()
