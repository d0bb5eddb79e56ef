"""The process that sends what is pending in the outbox of a service."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from chassis.observe.events import EventObserver
from chassis.observe.probes import HealthCheck, HealthOfAll, LoopHealth, serve_probes
from chassis.service import Service
from chassis.settings import EXCHANGE, Settings
from chassis.tracing import load_tracing
from messaging.broker import RabbitBroker
from messaging.relay import Relay
from messaging.stopping import stop_at_signal


def run(service: Service) -> None:
    """Publish until SIGTERM or SIGINT."""
    stop = stop_at_signal()
    settings = service.settings()
    observer = EventObserver(service.name, load_tracing(service.name, "relay"))
    broker = RabbitBroker(settings.amqp_url, name=f"{service.name}.relay")
    relay = Relay(settings.database_url, broker, exchange=EXCHANGE, observer=observer)
    with _jobs_of_nobody_else(service, settings) as jobs:
        serve_probes(settings, HealthOfAll([LoopHealth(relay.health), *jobs]), [observer])
        relay.run(stop)


@contextmanager
def _jobs_of_nobody_else(service: Service, settings: Settings) -> Iterator[Sequence[HealthCheck]]:
    """Run the jobs of a service that has no consumer to run them; yield how they fare."""
    if service.handlers:
        yield ()
        return
    from chassis.db import Database
    from chassis.process.scheduler import running_jobs

    with running_jobs(service, settings, Database(settings)) as health:
        yield (health,)
