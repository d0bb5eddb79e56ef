"""What an operator sees of a service: JSON logs on stderr, metrics for Prometheus, correlation ids across services."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import structlog
from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from chassis.db import Database
from messaging import Event, Observer, OutcomeName, message_context, outbox_status

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADER = "X-Request-ID"

REQUESTS = Counter("http_requests", "Requests served", ("service", "method", "route", "status"))
SECONDS = Histogram("http_request_seconds", "Time to serve a request", ("service", "method", "route"))
PENDING = Gauge("outbox_pending", "Events committed and not yet confirmed by the broker", ("service",))
OLDEST = Gauge("outbox_oldest_pending_seconds", "Age of the oldest such event, 0 if there is none", ("service",))

PUBLISHED = Counter("events_published", "Events confirmed by the broker", ("service",))
OUTCOMES = Counter("events_consumed", "Deliveries by outcome", ("service", "outcome", "event"))

#: Asked every few seconds by machines; a log line for each would bury the others.
_QUIET = ("/livez", "/readyz", "/metrics", "/static/")

#: pika logs an unreachable broker six times as an error; `messaging` says it once.
_CHATTY = {"pika": logging.CRITICAL, "apscheduler": logging.WARNING}

_log = structlog.get_logger("chassis.requests")


def configure_logging(service: str, process: str, level: str = "INFO") -> None:
    """Send every log record of this process, our own and the libraries', to stderr as one JSON object a line."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
    ]
    structlog.configure(
        processors=[*shared[:-1], structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.EventRenamer("message"),
                _add_constants(service=service, process=process),
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for library, least in _CHATTY.items():
        logging.getLogger(library).setLevel(least)


class EventMetrics(Observer):
    """Counts what relay and consumer of one service do."""

    def __init__(self, service: str) -> None:
        """Take the service that the numbers are labelled with."""
        self._service = service

    def published(self, seconds: Sequence[float]) -> None:
        """See `Observer`."""
        PUBLISHED.labels(self._service).inc(len(seconds))

    def outcome(self, outcome: OutcomeName, event: Event | None) -> None:
        """See `Observer`."""
        OUTCOMES.labels(self._service, outcome, event.name if event else "unreadable").inc()


def init_observation(app: Flask, service: str, database: Database) -> None:
    """Add /livez, /readyz and /metrics, count and log requests, and tie them to a correlation id."""
    app.wsgi_app = _Correlation(app.wsgi_app)  # type: ignore[method-assign]

    @app.before_request
    def start_clock() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def account_for(response: Response) -> Response:
        _account_for(response, service)
        return response

    @app.get("/livez")
    def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    def readyz() -> tuple[dict[str, str], int]:
        try:
            with database.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return {"status": "the database cannot be reached"}, 503
        return {"status": "ready"}, 200

    @app.get("/metrics")
    def metrics() -> Response:
        _measure_outbox(service, database)
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def _measure_outbox(service: str, database: Database) -> None:
    try:
        with database.reading() as session:
            status = outbox_status(session)
    except SQLAlchemyError as error:
        _log.warning("outbox_not_measured", error=str(error))
        return
    PENDING.labels(service).set(status.pending)
    OLDEST.labels(service).set(status.oldest_pending_seconds or 0)


def _account_for(response: Response, service: str) -> None:
    route = request.url_rule.rule if request.url_rule else "none"  # not the path: it would make a series per task
    seconds = time.perf_counter() - g.get("started", time.perf_counter())
    REQUESTS.labels(service, request.method, route, response.status_code).inc()
    SECONDS.labels(service, request.method, route).observe(seconds)
    if not request.path.startswith(_QUIET):
        _log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            milliseconds=round(seconds * 1000, 1),
        )


class _Correlation:
    """Gives each request a correlation id: the caller's, if it is a UUID, and a new one otherwise."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        correlation_id = _uuid_or_new(environ.get("HTTP_X_REQUEST_ID", ""))

        def start_with_id(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
            return start_response(status, [*headers, (HEADER, str(correlation_id))], *rest)

        with (
            message_context(correlation_id=correlation_id),
            structlog.contextvars.bound_contextvars(correlation_id=str(correlation_id)),
        ):
            return self._application(environ, start_with_id)


def _uuid_or_new(text_: str) -> UUID:
    try:
        return UUID(text_)
    except ValueError:
        return uuid4()


def _add_constants(**constants: str) -> Any:
    def add(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        return {**constants, **event}

    return add
