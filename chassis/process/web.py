"""The process that serves the pages and REST of a service."""

from chassis.service import Service, named
from chassis.webserver import serve
from messaging.stopping import stop_at_signal


def run(service: Service) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = stop_at_signal()
    settings = service.settings()
    app = named(service.app)(settings)
    serve(app, host=settings.host, port=settings.port, stop=stop, trusted_proxy=settings.trusted_proxy)
