"""What the web tells of its requests, and the correlation id that ties together all that one of them sets off."""

import time
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import structlog
from flask import Flask, Response, g, request
from prometheus_client import Counter, Histogram

from chassis.observe.probes import Page, Probes, WebHealth
from chassis.settings import Settings
from chassis.tracing import ROUTE, STATUS, Tracing, load_tracing
from messaging import message_context

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADER = "X-Request-ID"

#: Upper bounds in seconds.
_BUCKETS = (0.002, 0.004, 0.006, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# One process serves all requests (chassis/webserver.py), so its numbers are those of the service.
REQUESTS = Counter("http_requests", "Requests served", ("service", "method", "route", "status"))
SECONDS = Histogram(
    "http_request_duration_seconds", "Time to serve a request", ("service", "method", "route"), buckets=_BUCKETS
)

#: A client may send any word as the method; each would be a series of its own.
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

#: Asked every few seconds by machines; a log line or a span for each would bury the others.
_QUIET = ("/livez", "/readyz", "/metrics", "/static/")

_HEALTH = "ates.health"

_log = structlog.get_logger(__name__)


def init_observation(app: Flask, settings: Settings, tracing: Tracing | None = None) -> None:
    """Add the probes, count and log requests, and tie them to a correlation id and a trace.

    `tracing` is for who has made one already.
    """
    app.wsgi_app = _Correlation(app.wsgi_app, tracing or load_tracing(settings.service, "web"))  # type: ignore[method-assign]
    app.extensions[_HEALTH] = health = WebHealth(settings)
    probes = Probes(settings, health)
    for path, page in probes.by_path().items():
        app.add_url_rule(path, view_func=_view(page))

    @app.before_request
    def start_clock() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def account_for(response: Response) -> Response:
        _account_for(response, settings.service)
        return response


def health_of(app: Flask) -> WebHealth:
    """Return what the probes of this application tell."""
    health: WebHealth = app.extensions[_HEALTH]
    return health


def _view(page: Callable[[], Page]) -> Callable[[], Response]:
    @wraps(page)
    def view() -> Response:
        status, content_type, body = page()
        return Response(body, status, content_type=content_type)

    return view


def _account_for(response: Response, service: str) -> None:
    route = request.url_rule.rule if request.url_rule else "none"  # not the path: it would make a series per task
    method = request.method if request.method in _METHODS else "other"
    seconds = time.perf_counter() - g.get("started", time.perf_counter())
    REQUESTS.labels(service, method, route, response.status_code).inc()
    SECONDS.labels(service, method, route).observe(seconds)
    if request.url_rule:
        request.environ[ROUTE] = route
    if not request.path.startswith(_QUIET):
        _log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            milliseconds=round(seconds * 1000, 1),
        )


class _Correlation:
    """Gives each request a correlation id: the caller's, if it is a UUID, and a new one otherwise.

    What the caller says of its trace (https://www.w3.org/TR/trace-context/) goes on into the events.
    """

    def __init__(self, application: "WSGIApplication", tracing: Tracing) -> None:
        self._application = application
        self._tracing = tracing

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        correlation_id = _uuid_or_new(environ.get("HTTP_X_REQUEST_ID", ""))
        tracing = Tracing() if environ.get("PATH_INFO", "").startswith(_QUIET) else self._tracing

        def start_with_id(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
            environ[STATUS] = status.partition(" ")[0]
            return start_response(status, [*headers, (HEADER, str(correlation_id))], *rest)

        with (
            tracing.request(environ) as trace,
            message_context(
                correlation_id=correlation_id, traceparent=trace.traceparent, trace_event=trace.trace_event
            ),
        ):
            return self._application(environ, start_with_id)


def _uuid_or_new(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return uuid4()
