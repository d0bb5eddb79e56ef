"""What stands in the database, read when somebody asks for metrics or for health: over a connection of its own.

So a pool that is used up, or a Postgres that takes connections and never answers, holds a probe up for seconds at the
most, and an old number is never shown as the present one.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg2
import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chassis.settings import Settings
from messaging.driver import connect
from messaging.numbers import read_numbers

_log = structlog.get_logger(__name__)


@contextmanager
def probing_connection(settings: Settings) -> Iterator[psycopg2.extensions.connection]:
    """Connect for one question: Postgres has 3 s to let us in and 5 s to answer. Raises psycopg2.Error."""
    connection = connect(
        settings.database_url.replace("+psycopg2", "", 1),
        application_name=f"{settings.service}.probe",
        connect_timeout=3,
        options="-c timezone=UTC -c statement_timeout=5s -c default_transaction_read_only=on",
    )
    try:
        connection.autocommit = True
        yield connection
    finally:
        connection.close()


def answers(settings: Settings) -> bool:
    """Tell whether the database of the service can be asked now."""
    try:
        with probing_connection(settings) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error:
        return False
    return True


class StoredNumbers(Collector):
    """What the outbox and the dead letters of a service amount to. Left out while the database does not answer."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings of the service."""
        self._settings = settings

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        pending = self._gauge("outbox_pending", "Events committed and not yet confirmed by the broker")
        oldest = self._gauge("outbox_oldest_pending_seconds", "Age of the oldest such event, 0 if there is none")
        published = CounterMetricFamily(
            "outbox_published", "Events ever confirmed by the broker, whichever relay sent them", labels=("service",)
        )
        dead = self._gauge("dead_letters_open", "Dead letters that nobody has replayed or discarded yet")
        waiting = self._gauge("events_waiting", "Events that wait for their next attempt, or behind one that does")
        try:
            with probing_connection(self._settings) as connection:
                numbers = read_numbers(connection)
        except psycopg2.Error as error:
            _log.warning("numbers_not_read", error=str(error).strip())
        else:
            label = (self._settings.service,)
            pending.add_metric(label, numbers.pending)
            oldest.add_metric(label, numbers.oldest_pending_seconds or 0)
            published.add_metric(label, numbers.published_total)
            dead.add_metric(label, numbers.dead_letters)
            waiting.add_metric(label, numbers.waiting)
        return (pending, oldest, published, dead, waiting)

    def _gauge(self, name: str, text_: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, text_, labels=("service",))
