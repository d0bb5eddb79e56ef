"""From a full queue to a ledger: each event validated, remembered in the inbox and booked, exactly once."""

import threading
import time

import psycopg2

from messaging import Event, Observer, OutcomeName, RabbitBroker
from messaging.envelope import CONTENT_TYPE
from messaging.transport import Message
from tests.benchmarks import naive
from tests.benchmarks.servers import Servers
from tests.benchmarks.shop import EXCHANGE, Shop, run_consumer, sale

EVENTS = 20_000
AGGREGATES = 2_000
#: The naive way takes too long for all of them.
NAIVE_EVENTS = 5_000


def consumer_beside_the_naive_way(servers: Servers) -> list[tuple[str, str]]:
    """Measure both from a full queue to an empty one."""
    beside = Shop.open(servers)
    _fill_queue(beside, NAIVE_EVENTS)
    started = time.perf_counter()
    naive.handle_events(beside, NAIVE_EVENTS)
    naive_rate = NAIVE_EVENTS / (time.perf_counter() - started)
    ours = Shop.open(servers)
    _fill_queue(ours, EVENTS)
    our_rate = EVENTS / _consume(ours)
    for shop, events in ((beside, NAIVE_EVENTS), (ours, EVENTS)):
        _check_ledger(shop, events)
    return [
        ("consumer, naive: one transaction and one ack for each event", f"{naive_rate:,.0f} events/s"),
        ("consumer, ours: validated, in the inbox, one entry in the ledger each", f"{our_rate:,.0f} events/s"),
        ("consumer, ours : naive", f"{our_rate / naive_rate:.1f}"),
    ]


def _fill_queue(shop: Shop, events: int) -> None:
    publisher = RabbitBroker(shop.amqp_url, name="bench").publisher()
    publisher.send([_message(n, sale(f"subject-{n % AGGREGATES}", n // AGGREGATES + 1)) for n in range(events)])
    confirmed = 0
    while confirmed < events:
        confirmed += len(publisher.outcomes(1.0))
    publisher.close()


def _message(tag: int, event: Event) -> Message:
    return Message(tag, EXCHANGE, event.type, event.to_bytes(), CONTENT_TYPE, message_id=str(event.id), type=event.type)


class _Countdown(Observer):
    def __init__(self) -> None:
        self._left = EVENTS
        self.finished = threading.Event()

    def outcome(self, outcome: OutcomeName, event: Event | None) -> None:  # noqa: ARG002
        self._left -= 1
        if self._left == 0:
            self.finished.set()


def _consume(shop: Shop) -> float:
    countdown, stop = _Countdown(), threading.Event()
    thread = threading.Thread(target=run_consumer, args=(shop, countdown, stop))
    started = time.perf_counter()
    thread.start()
    countdown.finished.wait()
    seconds = time.perf_counter() - started
    stop.set()
    thread.join()
    return seconds


def _check_ledger(shop: Shop, events: int) -> None:
    with psycopg2.connect(shop.bookkeeper_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT event_id) FROM entry")
        found = cursor.fetchone()
    connection.close()
    if found != (events, events):
        raise AssertionError(f"{found} entries and events in the ledger, not {events}")
