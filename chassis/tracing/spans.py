"""Spans of OpenTelemetry for requests, jobs and events; imported only where traces are kept.

Names, kinds and attributes follow the semantic conventions for HTTP, messaging and RabbitMQ
(https://opentelemetry.io/docs/specs/semconv/messaging/): an event is made in a PRODUCER span, whose context travels in
the event; the relay's way from the outbox to the broker's confirm and each consumer's handling hang below that span.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from chassis.settings import EXCHANGE
from chassis.tracing import ROUTE, STATUS, Trace, Tracing
from messaging import Event, PendingEvent, message_context
from messaging.topology import events_queue

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_NANOSECONDS = 1_000_000_000
#: Seconds to send a batch of spans in: the last one goes when the process ends, which must not wait for a collector.
_SEND_TIMEOUT = 2.0

_propagator = TraceContextTextMapPropagator()


def exporting_spans(service: str, process: str) -> "Spans":
    """Return spans that are sent where OpenTelemetry's own variables say, from a thread, in batches."""
    provider = service_provider(service, process)
    timeout = None if "OTEL_EXPORTER_OTLP_TIMEOUT" in os.environ else _SEND_TIMEOUT
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=timeout)))
    return Spans(service, provider)


def service_provider(service: str, process: str) -> TracerProvider:
    """Return a provider whose spans say which process of which service they come from, and which go nowhere yet."""
    return TracerProvider(
        resource=Resource.create(
            {
                "service.namespace": "ates",
                "service.name": service,
                "service.instance.id": f"{service}.{process}",
            }
        )
    )


class Spans(Tracing):
    """Keeps traces."""

    def __init__(self, service: str, provider: TracerProvider) -> None:
        """Take whose spans they are, and where they go."""
        self._queue = events_queue(service)
        self._tracer = provider.get_tracer("ates")

    @contextmanager
    def request(self, environ: "WSGIEnvironment") -> Iterator[Trace]:
        """See `Tracing`: a SERVER span below the caller's."""
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        attributes = {"http.request.method": method, "url.path": path, "url.scheme": environ["wsgi.url_scheme"]}
        parent = _parent(environ.get("HTTP_TRACEPARENT"))
        with self._tracer.start_as_current_span(method, parent, SpanKind.SERVER, attributes) as span:
            yield self._trace(span)
            _describe_answer(span, environ)

    @contextmanager
    def job(self, name: str) -> Iterator[Trace]:
        """See `Tracing`: the root of a trace of its own."""
        with self._tracer.start_as_current_span(f"job {name}", Context()) as span:
            yield self._trace(span)

    @contextmanager
    def handling(self, event: Event) -> Iterator[None]:
        """See `Tracing`: a CONSUMER span below the making of the event, and the parent of what the handler makes."""
        where = f"{EXCHANGE}:{event.type}:{self._queue}"
        about = _about("process", where, event.type, event_id=str(event.id), correlation_id=str(event.correlation_id))
        parent = _parent(event.traceparent)
        with (
            self._tracer.start_as_current_span(
                f"process {where}", parent, SpanKind.CONSUMER, about, _links(parent)
            ) as span,
            message_context(
                correlation_id=event.correlation_id,
                cause=event,
                traceparent=_traceparent(span),
                trace_event=partial(self._create, set_span_in_context(span, Context())),
            ),
        ):
            yield

    def published(self, events: Sequence[PendingEvent]) -> None:
        """See `Tracing`: for each event a CLIENT span as long as it was on its way from its making to the confirm."""
        for event in events:
            parent = _parent(json.loads(event.body).get("traceparent"))
            where = f"{EXCHANGE}:{event.type}"
            about = _about("send", where, event.type, event_id=event.event_id, correlation_id=event.correlation_id)
            made_at = int(event.created_at * _NANOSECONDS)
            self._tracer.start_span(
                f"send {where}", parent, SpanKind.CLIENT, about, _links(parent), start_time=made_at
            ).end()

    def _trace(self, span: Span) -> Trace:
        return Trace(_traceparent(span), partial(self._create, set_span_in_context(span, Context())))

    def _create(self, parent: Context, event_type: str) -> str | None:
        where = f"{EXCHANGE}:{event_type}"
        about = _about("create", where, event_type)
        with self._tracer.start_as_current_span(f"create {where}", parent, SpanKind.PRODUCER, about) as span:
            return _traceparent(span)


def _parent(traceparent: str | None) -> Context:
    """Return the context of the span that this names; one without a span if it is none or not valid."""
    return _propagator.extract({"traceparent": traceparent} if traceparent else {}, Context())


def _links(parent: Context) -> list[Link]:
    """The conventions want a link beside the parent, which a span about several messages could not have."""
    span_context = get_current_span(parent).get_span_context()
    return [Link(span_context)] if span_context.is_valid else []


def _traceparent(span: Span) -> str | None:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, set_span_in_context(span, Context()))
    return carrier.get("traceparent")


def _describe_answer(span: Span, environ: "WSGIEnvironment") -> None:
    route, status = environ.get(ROUTE), int(environ.get(STATUS, 0))
    if route:
        span.update_name(f"{environ['REQUEST_METHOD']} {route}")
        span.set_attribute("http.route", route)
    if status:
        span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(StatusCode.ERROR)


def _about(
    operation: str, destination: str, event_type: str, *, event_id: str = "", correlation_id: str = ""
) -> dict[str, AttributeValue]:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": destination,
        "messaging.rabbitmq.destination.routing_key": event_type,
        **({"messaging.message.id": event_id} if event_id else {}),
        **({"messaging.message.conversation_id": correlation_id} if correlation_id else {}),
    }
