"""What relay and consumer of one service do, counted, timed, logged and traced.

Relay and consumer come by here with each of up to 20,000 events in a second. So the numbers are plain ones, which
become metrics when somebody asks for them: a Histogram of prometheus-client takes 3 us for each value, this takes 0.15.
"""

import logging
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from math import inf

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from chassis.tracing import Tracing
from messaging import Event, Observer, OutcomeName, PendingEvent

#: Upper bounds in seconds: close together where an idle system is (2 to 15 ms), then up to the length of an outage.
BUCKETS = (
    *(0.001, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0),
)

_log = logging.getLogger(__name__)


class Latencies:
    """Durations in seconds, counted by bucket. Written by one thread, read by any."""

    def __init__(self) -> None:
        """Begin with none."""
        self._counts = [0] * (len(BUCKETS) + 1)
        self._sum = 0.0

    def add(self, seconds: Iterable[float]) -> None:
        """Count these."""
        counts = self._counts
        for value in seconds:
            counts[bisect_left(BUCKETS, value)] += 1
            self._sum += value

    def buckets(self) -> tuple[list[tuple[str, float]], float]:
        """Return (upper bound, how many were not above it) for each bucket, and the sum of all durations."""
        counts, total = list(self._counts), 0
        found: list[tuple[str, float]] = []
        for bound, count in zip((*BUCKETS, inf), counts, strict=True):
            total += count
            found.append((str(bound) if bound < inf else "+Inf", total))
        return found, self._sum


class EventObserver(Observer, Collector):
    """Of one relay or consumer. Prometheus collects from it what it has counted."""

    def __init__(self, service: str, tracing: Tracing | None = None) -> None:
        """Take the service that the numbers are labelled with, and who keeps traces."""
        self._service = service
        self._tracing = tracing or Tracing()
        self._confirms = Latencies()
        self._outcomes: dict[tuple[str, str], int] = defaultdict(int)
        self._effects: dict[str, Latencies] = defaultdict(Latencies)
        self._writes_each = _log.isEnabledFor(logging.DEBUG)

    def published(self, events: Sequence[PendingEvent]) -> None:
        """See `Observer`."""
        now = time.time()
        self._confirms.add(now - event.created_at for event in events)
        self._tracing.published(events)
        if self._writes_each:
            for event in events:
                _write("published", event.correlation_id, event.event_id, event.type)

    def outcome(self, outcome: OutcomeName, event: Event | None) -> None:
        """See `Observer`."""
        name = _name(event.type) if event else "unreadable"
        self._outcomes[outcome, name] += 1
        if event and outcome == "done":
            self._effects[name].add((time.time() - event.time.timestamp(),))
        if event and self._writes_each:
            _write("consumed", str(event.correlation_id), str(event.id), event.type, outcome=outcome)

    def handling(self, event: Event) -> AbstractContextManager[object]:
        """See `Observer`."""
        return self._tracing.handling(event)

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        confirms = HistogramMetricFamily(
            "outbox_confirm_seconds",
            "Time from the making of an event, just before its commit, to the broker's confirm",
            labels=("service",),
        )
        confirms.add_metric((self._service,), *self._confirms.buckets())
        outcomes = CounterMetricFamily(
            "events_consumed", "Deliveries by outcome", labels=("service", "event", "outcome")
        )
        for (outcome, name), count in list(self._outcomes.items()):
            outcomes.add_metric((self._service, name, outcome), count)
        effects = HistogramMetricFamily(
            "events_effect_seconds",
            "Time from the making of an event to the commit of its effect here",
            labels=("service", "event"),
        )
        for name, latencies in list(self._effects.items()):
            effects.add_metric((self._service, name), *latencies.buckets())
        return (confirms, outcomes, effects)


def _write(what: str, correlation_id: str, event_id: str, event_type: str, **more: str) -> None:
    about = {"correlation_id": correlation_id, "event_id": event_id, "event_type": event_type}
    _log.debug(what, extra=about | more)


@cache
def _name(event_type: str) -> str:
    """The type without its version: types come from the schemas, so they are few."""
    return event_type.rpartition(".")[0]
