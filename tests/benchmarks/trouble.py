"""Events in trouble: what fails at first, what waits behind it, and very many dead letters."""

import statistics
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from messaging import Event, RetryLater, RetryPolicy
from messaging.dead_letters import (
    Actor,
    Decision,
    Selection,
    count_dead_letters,
    dead_letter_groups,
    decide_all,
    list_dead_letters,
)
from tests.benchmarks.servers import SHOP, Servers
from tests.integration.messaging_house import SOLD, House

EVENTS = 5_000
LETTERS = 200_000
LIVE = 300

_LETTERS = text("""
    INSERT INTO held_message
           (id, state, deaths, type, reason, detail, aggregate, sequence, body, content_type, headers, properties)
    SELECT id, 'dead', 1, :type, 'refused-by-handler', 'no', 'shop/' || id, 1,
           convert_to(replace(:body, :id, id::text), 'UTF8'), 'application/cloudevents+json', '{}',
           '{"sent_by": "shop"}'
      FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, :count)) AS made
""")


def events_in_trouble(servers: Servers) -> list[tuple[str, str]]:
    """Measure what fails at first, a long line, and 200,000 dead letters beside live events."""
    return [
        (f"{EVENTS:,} events, each of which fails at first", f"{_each_fails(servers):,.0f} events/s"),
        (
            f"{EVENTS:,} events of one aggregate, whose first one fails at first",
            f"{_one_line(servers):,.0f} events/s",
        ),
        *_many_letters(servers),
    ]


class _FailsAtFirst:
    """Fails once at every event of those it is told."""

    def __init__(self, fails: Callable[[Event], bool]) -> None:
        self._fails = fails
        self._failed: set[object] = set()

    def __call__(self, _session: Session, event: Event) -> None:
        if self._fails(event) and event.id not in self._failed:
            self._failed.add(event.id)
            raise RetryLater("not yet")


def _each_fails(servers: Servers) -> float:
    return _seconds_for(servers, _FailsAtFirst(lambda event: True), lambda n: (str(n), 1))


def _one_line(servers: Servers) -> float:
    return _seconds_for(servers, _FailsAtFirst(lambda event: event.sequence == 1), lambda n: ("hot", n + 1))


def _seconds_for(servers: Servers, handler: Any, place: Callable[[int], tuple[str, int]]) -> float:
    """Return events handled in a second, from a full queue to an empty one."""
    house = _house(servers)
    house.handler = handler
    house.subscribe()
    house.send_raw(*(_sold(*place(n)).to_bytes() for n in range(EVENTS)), type=f"{SOLD}.v2")
    started = time.perf_counter()
    house.consumer()
    house.wait_for_effects(EVENTS, timeout=600)
    rate = EVENTS / (time.perf_counter() - started)
    house.close()
    return rate


def _many_letters(servers: Servers) -> list[tuple[str, str]]:
    house = _house(servers)
    house.handler = lambda session, event: None
    sample = _sold("x", 1)
    values = {"type": sample.type, "body": sample.to_bytes().decode(), "id": str(sample.id), "count": LETTERS}
    with house.engine.begin() as connection:
        connection.execute(_LETTERS, values)
    with house.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE held_message"))
    house.relay()
    started = time.perf_counter()
    house.consumer()
    before = _latencies(house)
    while house.dead_in_queue() < LETTERS:
        time.sleep(0.2)
    mirrored = time.perf_counter() - started
    with house.sessions() as session:
        asked = {
            "a page of them": _milliseconds(lambda: list_dead_letters(session, limit=50, after=100_000)),
            "their groups": _milliseconds(lambda: dead_letter_groups(session)),
            "their number": _milliseconds(lambda: count_dead_letters(session)),
        }
    started = time.perf_counter()
    with house.sessions.begin() as session:
        decide_all(session, Selection(), Decision.REPLAY, by=Actor("Ada"))
    decided = time.perf_counter() - started
    during = _latencies(house)
    house.wait_for_effects(LETTERS + 2 * LIVE, timeout=1200)
    replayed = time.perf_counter() - started
    while house.dead_in_queue() > 0:
        time.sleep(0.2)
    emptied = time.perf_counter() - started
    house.close()
    return [
        (f"{LETTERS:,} dead letters shown in RabbitMQ's queue", f"{LETTERS / mirrored:,.0f} letters/s"),
        *((f"{LETTERS:,} dead letters: {what}", f"{figure:.0f} ms") for what, figure in asked.items()),
        (f"{LETTERS:,} dead letters: one decision to replay them all", f"{decided:.1f} s"),
        (f"{LETTERS:,} dead letters: replayed", f"{LETTERS / replayed:,.0f} letters/s"),
        (f"{LETTERS:,} dead letters: gone from RabbitMQ's queue", f"{emptied:.0f} s after the decision"),
        ("commit to committed effect of a live event while they are shown, p50 / p99", before),
        ("commit to committed effect of a live event while they are replayed, p50 / p99", during),
    ]


def _latencies(house: House) -> str:
    """Sell one after the other, and return how long each took to have its effect."""
    subject, taken = str(uuid4()), []
    for n in range(LIVE):
        started = time.perf_counter()
        event = house.sell(subject, n)
        while not _has_its_effect(house, event):
            time.sleep(0.001)
        taken.append((time.perf_counter() - started) * 1000)
    return f"{statistics.median(taken):.0f} / {statistics.quantiles(taken, n=100)[98]:.0f} ms"


def _has_its_effect(house: House, event: Event) -> bool:
    with house.engine.connect() as connection:
        found = connection.execute(text("SELECT 1 FROM inbox WHERE event_id = :id"), {"id": event.id})
        return found.first() is not None


def _milliseconds(ask: Callable[[], object]) -> float:
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def _sold(subject: str, sequence: int) -> Event:
    return Event.new(f"{SOLD}.v2", subject=subject, sequence=sequence, data={"n": sequence, "colour": "red"})


def _house(servers: Servers) -> House:
    database_url = servers.new_database(SHOP).owner_url.replace("postgresql:", "postgresql+psycopg2:")
    retry = RetryPolicy(attempts=100)
    return House(database_url, servers.amqp_url(servers.new_vhost(), SHOP), retry=retry)
