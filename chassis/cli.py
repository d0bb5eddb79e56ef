"""The processes of a service: `python -m tracker_service web|relay|consumer|scheduler|migrate`.

Most of them need no web framework, and would take twice the time to start with it.
"""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Generic, TypeVar

import click
from apscheduler.events import EVENT_SCHEDULER_STARTED
from apscheduler.schedulers.blocking import BlockingScheduler

from chassis.db import Database
from chassis.files import keep_files_private
from chassis.observe import EventObserver, LoopHealth, configure_logging, serve_probes
from chassis.operating import OperatorCommand
from chassis.replaying import replay_command
from chassis.scheduler import build_scheduler
from chassis.secret_files import read_secret_files
from chassis.settings import EXCHANGE, Settings, SettingsError
from chassis.tracing import load_tracing
from messaging import Consumer, HandlerTable, RabbitBroker, Relay, RetryPolicy, stop_at_signal
from messaging.replay import Forget

if TYPE_CHECKING:
    from flask import Flask

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, kw_only=True)
class Service(Generic[S]):
    """What the processes of one service are made of."""

    #: The short name, as in `tracker`.
    name: str
    load_settings: Callable[[], S]
    #: Makes the web application of the settings, as in `tracker_service.app:create_app`; imported by who serves it.
    app: str
    #: Empty for a service that hears of nothing; it has no consumer then.
    handlers: HandlerTable = field(default_factory=dict)
    #: Adds the service's own jobs to its scheduler.
    jobs: Callable[[BlockingScheduler, S, Database], None] = lambda _scheduler, _settings, _database: None
    #: The folder of its alembic migrations.
    migrations: Path
    #: Empties the tables of a service that can be rebuilt: all in them follows from events, and it publishes none.
    forget: Forget | None = None
    #: What an operator has it do besides: each an OperatorCommand.
    commands: Sequence[OperatorCommand] = ()


def main(service: Service[S]) -> None:
    """Run one process of the service until SIGTERM or SIGINT, or one of its commands; the command line says which."""
    keep_files_private()
    read_secret_files()
    processes: Mapping[str, Callable[[Service[S]], None]] = {
        "web": _web,
        "relay": _relay,
        "consumer": _consumer,
        "scheduler": _scheduler,
        "migrate": _migrate,
    }

    group = click.Group(help=f"Run a process of {service.name}, or have {service.name} do something.")
    for name, run in processes.items():
        group.add_command(_process(service, name, run))
    if service.handlers:
        group.add_command(replay_command(service.name, service.load_settings, service.handlers, service.forget))
    for command in service.commands:
        group.add_command(command)
    group()


def _process(service: Service[S], name: str, run: Callable[[Service[S]], None]) -> click.Command:
    @click.command(name, help=run.__doc__)
    def command() -> None:
        try:
            configure_logging(service.name, name, os.environ.get("ATES_LOG_LEVEL") or "INFO")
            run(service)
        except SettingsError as error:
            raise click.ClickException(str(error)) from error

    return command


def _web(service: Service[S]) -> None:
    """Serve the pages and REST."""
    from chassis.webserver import serve

    stop = stop_at_signal()
    settings = service.load_settings()
    create_app: Callable[[S], Flask] = resolve_name(service.app)
    serve(create_app(settings), host=settings.host, port=settings.port, stop=stop, trusted_proxy=settings.trusted_proxy)


def _relay(service: Service[S]) -> None:
    """Send what is pending in the outbox."""
    stop = stop_at_signal()
    settings = service.load_settings()
    observer = EventObserver(service.name, load_tracing(service.name, "relay"))
    broker = RabbitBroker(settings.amqp_url, name=f"{service.name}.relay")
    relay = Relay(settings.database_url, broker, exchange=EXCHANGE, observer=observer)
    serve_probes(settings, LoopHealth(relay.health), [observer])
    relay.run(stop)


def _consumer(service: Service[S]) -> None:
    """Handle the events that come."""
    if not service.handlers:
        raise click.ClickException(f"{service.name} consumes no events")
    stop = stop_at_signal()
    settings = service.load_settings()
    database = Database(settings)
    observer = EventObserver(service.name, load_tracing(service.name, "consumer"))

    broker = RabbitBroker(settings.amqp_url, name=f"{service.name}.consumer")
    consumer = Consumer(
        service.name,
        broker,
        database.sessions,
        service.handlers,
        database.registry,
        exchange=EXCHANGE,
        retry=RetryPolicy(attempts=settings.retry_attempts),
        observer=observer,
    )
    serve_probes(settings, LoopHealth(consumer.health), [observer])
    consumer.run(stop)


def _scheduler(service: Service[S]) -> None:
    """Do what is due by the clock."""
    stop = stop_at_signal()
    settings = service.load_settings()
    database = Database(settings)
    scheduler = build_scheduler(settings, database, load_tracing(service.name, "scheduler"))
    service.jobs(scheduler, settings, database)
    serve_probes(settings, LoopHealth(scheduler.health))

    def end_when_told(_started: object) -> None:
        threading.Thread(target=lambda: stop.wait() and scheduler.shutdown(), daemon=True).start()

    scheduler.add_listener(end_when_told, EVENT_SCHEDULER_STARTED)
    scheduler.start()


def _migrate(service: Service[S]) -> None:
    """Bring the database up to date, as its owner."""
    from chassis.migrate import migrate

    migrate(service.name, service.migrations)
