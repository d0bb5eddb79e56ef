"""From a commit to its receipt by a consumer, and to the committed effect in the other database; real processes.

Processes tell moments by `time.perf_counter`, which on Linux is one clock for all of them.
"""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from uuid import UUID, uuid4

from sqlalchemy.orm import Session, sessionmaker

from messaging import Event, Observer, OutcomeName, RabbitBroker, publish
from messaging.topology import events_queue
from tests.benchmarks import naive
from tests.benchmarks.servers import Servers
from tests.benchmarks.shop import BOOKKEEPER, Shop, process, run_consumer, run_relay, sale

EVENTS = 500
NAIVE_EVENTS = 100
WARM_UP = 50
#: Seconds between two events: the system is idle again by then.
PAUSE = 0.02
#: Events a second, and for how many seconds, of the measurement under load.
RATE, SECONDS = 500, 20

Moments = SimpleQueue  # of (event id, moment of the committed effect)


def latency_beside_the_naive_way(servers: Servers) -> list[tuple[str, str]]:
    """Measure receipt and effect on an idle system, and the effect under load."""
    polled = f"the outbox is polled every {naive.POLL * 1000:.0f} ms"
    with _running(servers, naive.run_relay) as (shop, _):
        found = [_figures(f"commit to receipt by a consumer, naive: {polled}", _receipts(shop, NAIVE_EVENTS))]
    with _running(servers, run_relay) as (shop, _):
        found.append(_figures("commit to receipt by a consumer, ours, idle", _receipts(shop, EVENTS)))
    with _running(servers, naive.run_relay, _naive_consumer) as (shop, moments):
        found.append(_figures("commit to committed effect, naive", _effects(shop, moments, NAIVE_EVENTS)))
    with _running(servers, run_relay, _our_consumer) as (shop, moments):
        found.append(_figures("commit to committed effect, ours, idle", _effects(shop, moments, EVENTS)))
        rate, effects = _effects_under_load(shop, moments)
        found.append(_figures(f"the same at {rate:.0f} events/s", effects))
    return found


@contextmanager
def _running(
    servers: Servers, relay: Callable[[Shop], None], consumer: Callable[..., None] | None = None
) -> Iterator[tuple[Shop, "Moments[tuple[UUID, float]]"]]:
    shop = Shop.open(servers)
    moments: Moments[tuple[UUID, float]] = get_context("spawn").SimpleQueue()
    with ExitStack() as stack:
        stack.enter_context(process(relay, shop))
        if consumer is not None:
            stack.enter_context(process(consumer, shop, moments))
        yield shop, moments


class _Reporter(Observer):
    def __init__(self, moments: "Moments[tuple[UUID, float]]") -> None:
        self._moments = moments

    def outcome(self, outcome: OutcomeName, event: Event | None) -> None:
        if event is not None and outcome == "done":
            self._moments.put((event.id, time.perf_counter()))


def _our_consumer(shop: Shop, moments: "Moments[tuple[UUID, float]]") -> None:
    run_consumer(shop, _Reporter(moments))


def _naive_consumer(shop: Shop, moments: "Moments[tuple[UUID, float]]") -> None:
    naive.handle_events(shop, on_committed=lambda event_id: moments.put((event_id, time.perf_counter())))


def _figures(what: str, seconds: list[float]) -> tuple[str, str]:
    milliseconds = [1000 * value for value in seconds]
    p99 = statistics.quantiles(milliseconds, n=100)[98]
    return f"{what}, p50 / p99", f"{statistics.median(milliseconds):.1f} / {p99:.1f} ms"


def _commit(sessions: sessionmaker[Session]) -> tuple[UUID, float]:
    """Commit one event; return its id and when that was done."""
    event = sale(str(uuid4()), 1)
    with sessions.begin() as session:
        publish(session, event)
    return event.id, time.perf_counter()


def _receipts(shop: Shop, events: int) -> list[float]:
    sessions = shop.sessions()
    receiver = RabbitBroker(shop.amqp_url, name="bench").receiver(events_queue(BOOKKEEPER), prefetch=10)
    waits = []
    for _ in range(WARM_UP + events):
        _, committed = _commit(sessions)
        received = receiver.receive(1, 30)
        waits.append(time.perf_counter() - committed)
        receiver.ack(received)
        time.sleep(PAUSE)
    receiver.close()
    return waits[WARM_UP:]


def _effects(shop: Shop, moments: "Moments[tuple[UUID, float]]", events: int) -> list[float]:
    sessions = shop.sessions()
    waits = []
    for _ in range(WARM_UP + events):
        event_id, committed = _commit(sessions)
        done, moment = moments.get()
        if done != event_id:
            raise AssertionError(f"{done} was done while {event_id} was awaited")
        waits.append(moment - committed)
        time.sleep(PAUSE)
    return waits[WARM_UP:]


def _effects_under_load(shop: Shop, moments: "Moments[tuple[UUID, float]]") -> tuple[float, list[float]]:
    """Commit at an even rate; who is late catches up. Return the rate that was kept, and the waits."""
    sessions = shop.sessions()
    effects: dict[UUID, float] = {}
    collecting = threading.Thread(target=lambda: effects.update(moments.get() for _ in range(RATE * SECONDS)))
    collecting.start()
    commits = {}
    started = due = time.perf_counter()
    for _ in range(RATE * SECONDS):
        event_id, moment = _commit(sessions)
        commits[event_id] = moment
        due += 1 / RATE
        time.sleep(max(0.0, due - time.perf_counter()))
    rate = RATE * SECONDS / (time.perf_counter() - started)
    collecting.join()
    return rate, [effects[event_id] - moment for event_id, moment in commits.items()]
