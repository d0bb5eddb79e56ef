"""From the outbox to a quorum queue with publisher confirms."""

import statistics
import threading
import time
from collections.abc import Sequence

import psycopg2

from messaging import Observer
from messaging.outbox_reader import PendingEvent
from tests.benchmarks import naive
from tests.benchmarks.servers import Servers
from tests.benchmarks.shop import Shop, run_relay, sale

EVENTS = 20_000
#: A second is soon over, and RabbitMQ writes its segments when it likes: so more than one.
RUNS = 7
#: Of one hot aggregate: each takes many seconds.
HOT_RUNS = 3
#: Things that the events are about: each has ten of them.
AGGREGATES = 2_000
FEW, MANY, SLICE = 10_000, 1_000_000, 100_000

_COPY_EVENTS = """
    INSERT INTO outbox (event_id, type, subject, sequence, correlation_id, body)
    SELECT gen_random_uuid(), %(type)s, 'subject-' || n %% %(aggregates)s, n / %(aggregates)s + 1,
           gen_random_uuid(), %(body)s
      FROM generate_series(0, %(events)s - 1) AS n
"""


def relay_beside_the_naive_way(servers: Servers) -> list[tuple[str, str]]:
    """Measure both on the same number of equal events, each from a full outbox to an empty one."""
    naive_rate = _naive_rate(servers, AGGREGATES)
    our_rate, range_ = _our_rate(servers, AGGREGATES, RUNS)
    size = len(sale("an id of thirty-six characters, this", 1).to_bytes())
    return [
        (
            f"relay, naive: {EVENTS} events of {size} bytes, one confirm and one update each",
            f"{naive_rate:,.0f} events/s",
        ),
        (
            f"relay, ours: the same, order kept for each of {AGGREGATES} aggregates; median of {RUNS}",
            f"{our_rate:,.0f} events/s ({range_})",
        ),
        ("relay, ours : naive", f"{our_rate / naive_rate:.1f}"),
    ]


def a_hot_aggregate_beside_the_naive_way(servers: Servers) -> list[tuple[str, str]]:
    """Measure both on as many events of one aggregate: its order allows one of them on its way at a time."""
    naive_rate = _naive_rate(servers, 1)
    our_rate, range_ = _our_rate(servers, 1, HOT_RUNS)
    return [
        (f"relay, naive: {EVENTS} events of one aggregate", f"{naive_rate:,.0f} events/s"),
        (f"relay, ours: the same; median of {HOT_RUNS}", f"{our_rate:,.0f} events/s ({range_})"),
        ("one aggregate, ours : naive", f"{our_rate / naive_rate:.1f}"),
    ]


def _naive_rate(servers: Servers, aggregates: int) -> float:
    shop = Shop.open(servers)
    shop.fill_outbox(EVENTS, aggregates)
    started = time.perf_counter()
    naive.publish_outbox(shop, for_ever=False)
    return EVENTS / (time.perf_counter() - started)


def _our_rate(servers: Servers, aggregates: int, runs: int) -> tuple[float, str]:
    """Return the median, and the slowest and the fastest in words."""
    rates = []
    for _ in range(runs):
        shop = Shop.open(servers)
        shop.fill_outbox(EVENTS, aggregates)
        rates.append(EVENTS / _drain(shop, _Countdown(EVENTS)))
    return statistics.median(rates), f"{min(rates):,.0f} to {max(rates):,.0f}"


def a_million_pending_beside_ten_thousand(servers: Servers) -> list[tuple[str, str]]:
    """Measure how fast a short and a very long outbox drain, and the long one at its beginning and at its end.

    A burst of ten thousand is taken by RabbitMQ before it has to write its segments, which it does for every later one.
    """
    rates = {}
    for events in (FEW, MANY):
        shop = Shop.open(servers)
        _copy_events(shop, events)
        countdown = _Countdown(events)
        rates[events] = events / _drain(shop, countdown)
    second, last = countdown.rate(SLICE, 2 * SLICE), countdown.rate(MANY - SLICE, MANY)
    return [
        *((f"relay, {events:,} pending", f"{rate:,.0f} events/s") for events, rate in rates.items()),
        ("the longer : the shorter", f"{rates[MANY] / rates[FEW]:.2f}"),
        (f"of the million, the second {SLICE:,}", f"{second:,.0f} events/s"),
        (f"of the million, the last {SLICE:,}", f"{last:,.0f} events/s"),
    ]


def _copy_events(shop: Shop, events: int) -> None:
    """Fill the outbox by one statement; the relay does not look into the bodies, so all may be the same."""
    connection = psycopg2.connect(shop.shop_url)
    connection.autocommit = True
    event = sale("an id of thirty-six characters, this", 1)
    parameters = {"type": event.type, "aggregates": AGGREGATES, "events": events, "body": event.to_bytes()}
    connection.cursor().execute(_COPY_EVENTS, parameters)
    connection.cursor().execute("VACUUM ANALYZE outbox")
    connection.close()


class _Countdown(Observer):
    def __init__(self, events: int) -> None:
        self._events = events
        #: (how many were published by then, moment)
        self._progress: list[tuple[int, float]] = [(0, time.perf_counter())]
        self.finished = threading.Event()

    def published(self, events: Sequence[PendingEvent]) -> None:
        count = self._progress[-1][0] + len(events)
        self._progress.append((count, time.perf_counter()))
        if count >= self._events:
            self.finished.set()

    def rate(self, start: int, end: int) -> float:
        """Events a second between the start-th and the end-th."""
        first, last = (next(step for step in self._progress if step[0] >= count) for count in (start, end))
        return (last[0] - first[0]) / (last[1] - first[1])


def _drain(shop: Shop, countdown: _Countdown) -> float:
    """Return the seconds from the start of our relay to the last mark."""
    stop = threading.Event()
    thread = threading.Thread(target=run_relay, args=(shop, countdown, stop))
    started = time.perf_counter()
    thread.start()
    countdown.finished.wait()
    seconds = time.perf_counter() - started
    stop.set()
    thread.join()
    return seconds
