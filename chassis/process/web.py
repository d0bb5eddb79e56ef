"""The process that serves the pages and REST of a service, and, if no consumer does, runs its jobs."""

from contextlib import ExitStack

from chassis.observe.requests import health_of
from chassis.service import Service, named
from chassis.webserver import serve
from messaging.stopping import stop_at_signal


def run(service: Service) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = stop_at_signal()
    settings = service.settings()
    app = named(service.app)(settings)
    with ExitStack() as beside:
        if not service.handlers:
            from chassis.db import Database
            from chassis.process.scheduler import running_jobs

            health_of(app).jobs = beside.enter_context(running_jobs(service, settings, Database(settings)))
        serve(app, host=settings.host, port=settings.port, stop=stop, trusted_proxy=settings.trusted_proxy)
