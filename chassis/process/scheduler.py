"""What a service does by the clock: threads beside other work, or alone in a process of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from chassis.db import Database
from chassis.observe.probes import LoopHealth, serve_probes
from chassis.scheduler import build_scheduler
from chassis.service import Service, named
from chassis.settings import Settings
from chassis.tracing import load_tracing
from messaging.stopping import stop_at_signal


def run(service: Service) -> None:
    """Run jobs until SIGTERM or SIGINT. What is due stands in the database: others may run the same ones beside it."""
    stop = stop_at_signal()
    settings = service.settings()
    with running_jobs(service, settings, Database(settings)) as health:
        serve_probes(settings, health)
        stop.wait()


@contextmanager
def running_jobs(service: Service, settings: Settings, database: Database) -> Iterator[LoopHealth]:
    """Run the jobs in threads of this process until the end of the block; yield how they fare.

    A job that raises or hangs keeps nobody else from anything. The end of the block waits for those that run.
    """
    scheduler = build_scheduler(settings, database, load_tracing(service.name, "scheduler"))
    if service.jobs:
        named(service.jobs)(scheduler, settings, database)
    scheduler.start()
    try:
        yield LoopHealth(scheduler.health)
    finally:
        scheduler.shutdown()
