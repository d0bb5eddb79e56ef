"""The processes of a service: `python -m tracker_service web|relay|consumer|scheduler|migrate`."""

import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import click
from apscheduler.events import EVENT_SCHEDULER_STARTED
from apscheduler.schedulers.blocking import BlockingScheduler
from flask import Flask
from prometheus_client import start_http_server

from chassis.db import Database
from chassis.migrate import migrate
from chassis.observe import EventMetrics, configure_logging
from chassis.operating import OperatorCommand
from chassis.scheduler import build_scheduler
from chassis.settings import EXCHANGE, Settings, SettingsError
from chassis.webserver import serve
from messaging import Consumer, DeadLetterDesk, HandlerTable, RabbitBroker, Relay

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, kw_only=True)
class Service(Generic[S]):
    """What the processes of one service are made of."""

    #: The short name, as in `tracker`.
    name: str
    load_settings: Callable[[], S]
    create_app: Callable[[S], Flask]
    #: Empty for a service that hears of nothing; it has no consumer then.
    handlers: HandlerTable = field(default_factory=dict)
    #: Adds the service's own jobs to its scheduler.
    jobs: Callable[[BlockingScheduler, S, Database], None] = lambda _scheduler, _settings, _database: None
    #: The folder of its alembic migrations.
    migrations: Path
    #: What an operator has it do besides: each an OperatorCommand.
    commands: Sequence[OperatorCommand] = ()


def main(service: Service[S]) -> None:
    """Run one process of the service until SIGTERM or SIGINT, or one of its commands; the command line says which."""
    processes: Mapping[str, Callable[[Service[S]], None]] = {
        "web": _web,
        "relay": _relay,
        "consumer": _consumer,
        "scheduler": _scheduler,
        "migrate": lambda wanted: migrate(wanted.name, wanted.migrations),
    }

    group = click.Group(help=f"Run a process of {service.name}, or have {service.name} do something.")
    for name, run in processes.items():
        group.add_command(_process(service, name, run))
    for command in service.commands:
        group.add_command(command)
    group()


def _process(service: Service[S], name: str, run: Callable[[Service[S]], None]) -> click.Command:
    @click.command(name, help=f"Run the {name} of {service.name}.")
    def command() -> None:
        configure_logging(service.name, name)
        try:
            run(service)
        except SettingsError as error:
            raise click.ClickException(str(error)) from error

    return command


def _web(service: Service[S]) -> None:
    settings = service.load_settings()
    serve(lambda: service.create_app(settings), host=settings.host, port=settings.port)


def _relay(service: Service[S]) -> None:
    stop = _stop_event()
    settings = service.load_settings()
    _serve_health(settings.host)
    broker = RabbitBroker(settings.amqp_url, name=f"{service.name}.relay")
    relay = Relay(settings.database_url, broker, exchange=EXCHANGE, observer=EventMetrics(service.name))
    relay.run(stop)


def _consumer(service: Service[S]) -> None:
    if not service.handlers:
        raise click.ClickException(f"{service.name} consumes no events")
    stop = _stop_event()
    settings = service.load_settings()
    _serve_health(settings.host)
    database = Database(settings)

    broker = RabbitBroker(settings.amqp_url, name=f"{service.name}.consumer")
    consumer = Consumer(
        service.name,
        broker,
        database.sessions,
        service.handlers,
        database.registry,
        exchange=EXCHANGE,
        observer=EventMetrics(service.name),
    )
    desk_broker = RabbitBroker(settings.amqp_url, name=f"{service.name}.dead-letters")
    desk = DeadLetterDesk(service.name, desk_broker, database.engine)
    desk_thread = threading.Thread(target=desk.run, args=(stop,), name="dead-letters")
    desk_thread.start()
    try:
        consumer.run(stop)
    finally:
        stop.set()
        desk_thread.join()


def _scheduler(service: Service[S]) -> None:
    stop = _stop_event()
    settings = service.load_settings()
    _serve_health(settings.host)
    database = Database(settings)
    scheduler = build_scheduler(settings, database)
    service.jobs(scheduler, settings, database)

    def end_when_told(_started: object) -> None:
        threading.Thread(target=lambda: stop.wait() and scheduler.shutdown(), daemon=True).start()

    scheduler.add_listener(end_when_told, EVENT_SCHEDULER_STARTED)
    scheduler.start()


def _stop_event() -> threading.Event:
    """Return an event that is set at SIGTERM and SIGINT. Called first of all, so that neither is ever missed."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # On a thread of its own: the handler may have interrupted somebody who holds the event's lock.
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    return stop


def _serve_health(host: str) -> None:
    """Answer probes and Prometheus where there is no web server, if a port is given for it."""
    port = os.environ.get("ATES_HEALTH_PORT")
    if port:
        start_http_server(int(port), addr=host)
