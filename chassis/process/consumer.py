"""The process that handles the events that come to a service, and does what is due by the clock."""

import click

from chassis.db import Database
from chassis.observe.events import EventObserver
from chassis.observe.probes import HealthOfAll, LoopHealth, serve_probes
from chassis.process.scheduler import running_jobs
from chassis.service import Service, named
from chassis.settings import EXCHANGE
from chassis.tracing import load_tracing
from messaging.broker import RabbitBroker
from messaging.consumer import Consumer
from messaging.retry import RetryPolicy
from messaging.stopping import stop_at_signal


def run(service: Service) -> None:
    """Handle events and run jobs until SIGTERM or SIGINT."""
    if not service.handlers:
        raise click.ClickException(f"{service.name} consumes no events")
    stop = stop_at_signal()
    settings = service.settings()
    database = Database(settings)
    observer = EventObserver(service.name, load_tracing(service.name, "consumer"))
    consumer = Consumer(
        service.name,
        RabbitBroker(settings.amqp_url, name=f"{service.name}.consumer"),
        database.sessions,
        named(service.handlers),
        database.registry,
        exchange=EXCHANGE,
        retry=RetryPolicy(attempts=settings.retry_attempts),
        observer=observer,
    )
    with running_jobs(service, settings, database) as jobs:
        serve_probes(settings, HealthOfAll([LoopHealth(consumer.health), jobs]), [observer])
        consumer.run(stop)
