"""What stands in the database, read when somebody asks for metrics or for health: over a connection of its own.

So a pool that is used up, or a Postgres that takes connections and never answers, holds a probe up for seconds at the
most, and an old number is never shown as the present one.
"""

from collections.abc import Iterable

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, NullPool, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from chassis.db import engine_url
from chassis.settings import Settings
from messaging import count_waiting, outbox_status
from messaging.database import new_engine
from messaging.dead_letters import count_dead_letters

_log = structlog.get_logger(__name__)


def probing_engine(settings: Settings) -> Engine:
    """Return an engine that connects anew for each question: Postgres has 3 s to let us in and 5 s to answer."""
    return new_engine(
        engine_url(settings.database_url),
        poolclass=NullPool,
        connect_args={
            "application_name": f"{settings.service}.probe",
            "connect_timeout": 3,
            "options": "-c timezone=UTC -c statement_timeout=5s -c default_transaction_read_only=on",
        },
    )


def answers(engine: Engine) -> bool:
    """Tell whether the database can be asked now."""
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True


class StoredNumbers(Collector):
    """What the outbox and the dead letters of a service amount to. Left out while the database does not answer."""

    def __init__(self, service: str, engine: Engine) -> None:
        """Take the service that the numbers are labelled with, and its `probing_engine`."""
        self._service = service
        self._engine = engine

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
            with Session(self._engine) as session:
                outbox, letters, lines = outbox_status(session), count_dead_letters(session), count_waiting(session)
        except SQLAlchemyError as error:
            _log.warning("numbers_not_read", error=str(getattr(error, "orig", error)))
        else:
            label = (self._service,)
            pending.add_metric(label, outbox.pending)
            oldest.add_metric(label, outbox.oldest_pending_seconds or 0)
            published.add_metric(label, outbox.published_total)
            dead.add_metric(label, letters)
            waiting.add_metric(label, lines)
        return (pending, oldest, published, dead, waiting)

    def _gauge(self, name: str, text_: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, text_, labels=("service",))
