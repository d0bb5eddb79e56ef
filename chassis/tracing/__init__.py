"""One request is one trace, whatever services its events go through.

The W3C Trace Context that a caller sends (https://www.w3.org/TR/trace-context/) is put into every event that the
request sets off, and into those that these set off in turn, so that somebody's traces stay whole across us. With
OpenTelemetry installed (the extra `tracing`) and OTEL_EXPORTER_OTLP_ENDPOINT set, each step is a span of that trace:
see `spans.py`, which alone imports OpenTelemetry.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from messaging import Event, PendingEvent

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: Where a request's environment says, when it is answered, what was answered and by which route.
STATUS = "ates.status"
ROUTE = "ates.route"

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<ids>(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(?P<more>-.*)?"
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Trace:
    """What ties new events to a trace: see `MessageContext`."""

    traceparent: str | None = None
    trace_event: Callable[[str], str | None] | None = None


class Tracing:
    """Carries the context that comes in, and keeps no traces."""

    def request(self, environ: "WSGIEnvironment") -> AbstractContextManager[Trace]:
        """Return a context in which a request is answered; STATUS and ROUTE are in `environ` at its end."""
        return nullcontext(Trace(read_traceparent(environ.get("HTTP_TRACEPARENT", ""))))

    def job(self, name: str) -> AbstractContextManager[Trace]:
        """Return a context in which a job of the scheduler runs."""
        del name
        return nullcontext(Trace())

    def handling(self, event: Event) -> AbstractContextManager[object]:
        """Return a context for the handler of the event, inside its message context."""
        del event
        return nullcontext()

    def published(self, events: Sequence[PendingEvent]) -> None:
        """The broker has just confirmed these."""


def read_traceparent(text: str) -> str | None:
    """Return the header in the form of version 00, which later versions can be read as; None if it is not valid."""
    found = _TRACEPARENT.fullmatch(text)
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"]):
        return None
    return f"00-{found['ids']}"


def load_tracing(service: str, process: str, environment: Mapping[str, str] = os.environ) -> Tracing:
    """Return what keeps the traces of this process: OpenTelemetry, if an endpoint is set that spans are sent to.

    Called in the process that does the work: the thread that sends spans does not survive a fork.
    """
    if not any(environment.get(name) for name in _ENDPOINTS):
        return Tracing()
    try:
        from chassis.tracing.spans import exporting_spans
    except ModuleNotFoundError as error:
        _log.warning("traces_not_kept", reason=f"{error}: install requirements-tracing.lock")
        return Tracing()
    return exporting_spans(service, process)
