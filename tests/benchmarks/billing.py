"""Billing's own consumer, from a full queue to a ledger with all its events published: in batches, and one by one."""

import statistics
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg2

from billing_service.config import load
from billing_service.handlers import HANDLERS
from billing_service.queries import verify
from chassis.db import Database, utc_now
from chassis.settings import EXCHANGE
from messaging import Consumer, Event, RabbitBroker, Relay, consumer_topology
from messaging.consumer import BATCH
from messaging.envelope import CONTENT_TYPE
from messaging.transport import Message
from tests.benchmarks.servers import Servers
from tests.benchmarks.services import open_services
from tests.benchmarks.shop import process

#: Assignments. Five of each task: the first of them prices it, as the others would in a reassignment.
POSTINGS = 20_000
ASSIGNMENTS_OF_A_TASK = 5
#: One by one takes too long for all of them.
ONE_BY_ONE = 2_500
PEOPLE = 200
RUNS = 3
#: Seconds between two looks whether all is done.
_LOOK = 0.05
_PATIENCE = 300


@dataclass(frozen=True)
class _House:
    """A billing of its own, with a full queue."""

    environment: dict[str, str]
    tracker_amqp_url: str

    @property
    def database_url(self) -> str:
        return self.environment["BILLING_DATABASE_URL"]


def billing_in_batches_beside_one_by_one(servers: Servers) -> list[tuple[str, str]]:
    """Measure charges with their prices, entries, balances, income and events; check the books after each run."""
    slow = _rate(servers, ONE_BY_ONE, batch=1, relay=True)
    rates = [_rate(servers, POSTINGS, relay=True) for _ in range(RUNS)]
    alone = [_rate(servers, POSTINGS, relay=False) for _ in range(RUNS)]
    hot = [_rate(servers, POSTINGS, relay=True, people=1) for _ in range(RUNS)]
    return [
        ("billing, one event at a time, its relay running", f"{slow:,.0f} postings/s"),
        (f"billing, batches of {BATCH}, its relay running and every event published", _median(rates)),
        ("in batches : one at a time", f"{statistics.median(rates) / slow:.1f}"),
        ("the same with its relay stopped", _median(alone)),
        ("the same with its relay running, everything on one account", _median(hot)),
        ("one account : many", f"{statistics.median(hot) / statistics.median(rates):.2f}"),
    ]


def _median(rates: list[float]) -> str:
    return (
        f"{statistics.median(rates):,.0f} postings/s (median of {len(rates)}, {min(rates):,.0f} to {max(rates):,.0f})"
    )


def _rate(servers: Servers, postings: int, *, batch: int = BATCH, relay: bool, people: int = PEOPLE) -> float:
    house = _open(servers)
    _fill_queue(house, _assignments(postings, people))
    with ExitStack() as stack:
        if relay:
            stack.enter_context(process(_relay, house.environment))
        started = time.perf_counter()
        stack.enter_context(process(_consume, house.environment, batch))
        _wait(house, lambda posted, pending: posted == postings and (pending == 0 or not relay))
        seconds = time.perf_counter() - started
    _check_books(house)
    return postings / seconds


def _open(servers: Servers) -> _House:
    environment, _ = open_services(servers, "billing", "tracker")
    RabbitBroker(environment["BILLING_AMQP_URL"], name="bench").declare(
        consumer_topology("billing", HANDLERS, exchange=EXCHANGE)
    )
    return _House(environment, environment["TRACKER_AMQP_URL"])


def _assignments(count: int, people: int) -> list[Event]:
    parrots = [uuid4() for _ in range(people)]
    tasks = [uuid4() for _ in range(count // ASSIGNMENTS_OF_A_TASK)]
    return [_assigned(tasks[n % len(tasks)], n // len(tasks) + 1, parrots[n % people]) for n in range(count)]


def _assigned(task: UUID, number: int, parrot: UUID) -> Event:
    data = {
        "task_id": str(task),
        "assignee_id": str(parrot),
        "assignment_no": number,
        "reassignment_id": None,
        "assigned_at": utc_now().isoformat(),
    }
    return Event.new("tracker.task_assigned.v1", subject=str(task), sequence=number, data=data)


def _fill_queue(house: _House, events: list[Event]) -> None:
    publisher = RabbitBroker(house.tracker_amqp_url, name="bench").publisher()
    publisher.send(
        [
            Message(n, EXCHANGE, event.type, event.to_bytes(), CONTENT_TYPE, message_id=str(event.id), type=event.type)
            for n, event in enumerate(events)
        ]
    )
    confirmed = 0
    while confirmed < len(events):
        confirmed += len(publisher.outcomes(1.0))
    publisher.close()


def _consume(environment: dict[str, str], batch: int) -> None:
    settings = load(environment)
    database = Database(settings)
    broker = RabbitBroker(settings.amqp_url, name="billing.consumer")
    consumer = Consumer(
        "billing", broker, database.sessions, HANDLERS, database.registry, exchange=EXCHANGE, batch=batch
    )
    consumer.run(threading.Event())


def _relay(environment: dict[str, str]) -> None:
    settings = load(environment)
    broker = RabbitBroker(settings.amqp_url, name="billing.relay")
    Relay(settings.database_url, broker, exchange=EXCHANGE).run(threading.Event())


def _wait(house: _House, done: Callable[[int, int], bool]) -> None:
    with closing(psycopg2.connect(house.database_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            cursor.execute("SELECT count(*) FROM ledger_transactions")
            (posted,) = cursor.fetchone() or (0,)
            cursor.execute("SELECT count(*) FROM (SELECT FROM outbox WHERE published_at IS NULL LIMIT 1) pending")
            (pending,) = cursor.fetchone() or (0,)
            if done(posted, pending):
                return
            time.sleep(_LOOK)
    raise TimeoutError(f"not done within {_PATIENCE} s")


def _check_books(house: _House) -> None:
    database = Database(load(house.environment))
    with database.reading() as session:
        problems = verify(session)
    database.engine.dispose()
    if problems:
        raise AssertionError(f"the books do not balance: {problems[0]}")
