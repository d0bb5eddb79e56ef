"""Logs: one JSON object a line on stderr, each tied to the request, the event or the job that it is about."""

import logging
import sys
from typing import Any

import structlog

from chassis.settings import SettingsError
from messaging import current_context

#: pika logs an unreachable broker six times as an error; `messaging` says it once. The others log each request or job.
_CHATTY = {
    "pika": logging.CRITICAL,
    "apscheduler": logging.WARNING,
    "werkzeug": logging.WARNING,
    "waitress": logging.WARNING,
    "waitress.queue": logging.ERROR,
}


def configure_logging(service: str, process: str, level: str = "INFO") -> None:
    """Send every log record of this process, our own and the libraries', to stderr as one JSON object a line.

    With the level DEBUG our own packages write a line for every event as well; the libraries stay at INFO.
    Raises SettingsError for a level that is none.
    """
    threshold = logging.getLevelNamesMapping().get(level.upper())
    if threshold is None:
        raise SettingsError(f"ATES_LOG_LEVEL is {level!r}; it must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL.")
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _add_causes,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
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
    root.setLevel(max(threshold, logging.INFO))
    for package in ("chassis", "messaging", f"{service}_service"):
        logging.getLogger(package).setLevel(threshold)
    for library, least in _CHATTY.items():
        logging.getLogger(library).setLevel(max(threshold, least))


def _add_causes(_logger: object, _method: str, line: dict[str, Any]) -> dict[str, Any]:
    """Say which request set the work off and which event it is about.

    Looked up when a line is written, and not bound to each event: most events are handled without a line.
    """
    context = current_context()
    if context.correlation_id is not None:
        line.setdefault("correlation_id", str(context.correlation_id))
    if context.traceparent is not None:
        line.setdefault("trace_id", context.traceparent.partition("-")[2].partition("-")[0])
    event = context.cause
    if event is not None:
        line.setdefault("event_id", str(event.id))
        line.setdefault("event_type", event.type)
    return line


def _add_constants(**constants: str) -> Any:
    def add(_logger: object, _method: str, line: dict[str, Any]) -> dict[str, Any]:
        return {**constants, **line}

    return add
