"""From the outbox to a quorum queue with publisher confirms: our relay beside one confirm and one update per event."""

import threading
import time
from collections.abc import Sequence
from uuid import uuid4

import pika
import psycopg2
from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker

from chassis.db import engine_url
from chassis.settings import EXCHANGE
from messaging import Event, Observer, RabbitBroker, Relay, SchemaRegistry, bind_outbox, publish, tables
from messaging.topology import consumer_topology
from tests.benchmarks.servers import Servers

EVENTS = 20_000
#: Tasks that the events are about: each has ten of them.
AGGREGATES = 2_000
TYPE = "tracker.task_noted.v1"
SCHEMA = {"type": "object"}


def relay_beside_the_naive_way(servers: Servers) -> list[tuple[str, str]]:
    """Measure both on the same number of equal events, each from a full outbox to an empty one."""
    vhost = servers.new_vhost()
    amqp_url = servers.amqp_url(vhost, "tracker")
    RabbitBroker(amqp_url, name="bench").declare(
        consumer_topology("tracker", ["tracker.task_noted"], exchange=EXCHANGE)
    )
    naive, size = _fill(servers)
    naive_rate = EVENTS / _naive(naive, amqp_url)
    ours, size = _fill(servers)
    our_rate = EVENTS / _ours(ours, amqp_url)
    return [
        (
            f"relay, naive: {EVENTS} events of {size} bytes, one confirm and one update each",
            f"{naive_rate:,.0f} events/s",
        ),
        (f"relay, ours: the same, order kept for each of {AGGREGATES} aggregates", f"{our_rate:,.0f} events/s"),
        ("relay, ours : naive", f"{our_rate / naive_rate:.1f}"),
    ]


def _fill(servers: Servers) -> tuple[str, int]:
    """Make an outbox full of events; return its database and the size of an event in bytes."""
    url = servers.new_database("tracker").owner_url
    engine = create_engine(engine_url(url))
    tables.metadata.create_all(engine)
    sessions = sessionmaker(engine)
    bind_outbox(sessions, SchemaRegistry({"tracker.task_noted": {1: SCHEMA}}), engine)
    subjects = [str(uuid4()) for _ in range(AGGREGATES)]
    with sessions.begin() as session:
        session.execute(text("INSERT INTO relay_progress VALUES (1, 0)"))
    size = 0
    for start in range(0, EVENTS, 1000):
        with sessions.begin() as session:
            for n in range(start, start + 1000):
                event = Event.new(
                    TYPE, subject=subjects[n % AGGREGATES], sequence=n // AGGREGATES + 1, data={"note": "x" * 180}
                )
                publish(session, event)
                size = len(event.to_bytes())
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE outbox"))
    engine.dispose()
    return url, size


def _ours(url: str, amqp_url: str) -> float:
    """Return the seconds from the start of the relay to the last mark."""
    finished, stop = threading.Event(), threading.Event()

    class Counted(Observer):
        left = EVENTS

        def published(self, seconds: Sequence[float]) -> None:
            self.left -= len(seconds)
            if self.left == 0:
                finished.set()

    relay = Relay(url, RabbitBroker(amqp_url, name="bench"), exchange=EXCHANGE, observer=Counted())
    thread = threading.Thread(target=relay.run, args=(stop,))
    started = time.perf_counter()
    thread.start()
    finished.wait()
    seconds = time.perf_counter() - started
    stop.set()
    thread.join()
    return seconds


def _naive(url: str, amqp_url: str) -> float:
    """Do what most first versions do: fetch some, then publish, wait for the confirm and update, one by one."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    cursor = connection.cursor()
    started = time.perf_counter()
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as rabbit:
        channel = rabbit.channel()
        channel.confirm_delivery()
        while True:
            cursor.execute(
                "SELECT id, type, event_id::text, body FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT 100"
            )
            rows = cursor.fetchall()
            if not rows:
                break
            for row_id, type_, event_id, body in rows:
                properties = pika.BasicProperties(delivery_mode=2, message_id=event_id, type=type_)
                channel.basic_publish(EXCHANGE, type_, bytes(body), properties, mandatory=True)
                cursor.execute("UPDATE outbox SET published_at = now() WHERE id = %s", (row_id,))
    seconds = time.perf_counter() - started
    connection.close()
    return seconds
