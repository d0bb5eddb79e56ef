"""One request is one trace, with OpenTelemetry and without."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from chassis.observe import EventObserver
from chassis.observe.requests import init_observation
from chassis.tracing import Tracing, load_tracing, read_traceparent
from chassis.tracing.spans import Spans, service_provider
from messaging import Event, PendingEvent, caused_by, message_context
from tests.chassis_parts import settings

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
HEADER = {"traceparent": f"00-{TRACE}-{CALLER}-01"}


class Traced:
    """Two services that share nothing but the messages between them, and the spans of both."""

    def __init__(self, folder: Path) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracker, self.billing = self._spans("tracker"), self._spans("billing")
        self.sent: list[Event] = []
        self.app = Flask("tracker")
        init_observation(self.app, settings(folder), self.tracker)

        @self.app.post("/tasks/<task>")
        def create(task: str) -> str:
            self.sent.append(Event.new("tracker.task_created.v2", subject=task, sequence=1, data={}))
            return "made"

        @self.app.get("/broken")
        def broken() -> tuple[str, int]:
            return "no", 500

    def _spans(self, service: str) -> Spans:
        provider = service_provider(service, "web")
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        return Spans(service, provider)

    def publish(self, tracing: Tracing, events: Sequence[Event]) -> list[Event]:
        """What a relay does: tell the observer, after the broker has them. Return what a consumer reads."""
        bodies = [event.to_bytes() for event in events]
        EventObserver("tracker", tracing).published(
            [
                PendingEvent(1, str(e.id), e.type, e.subject, 1, str(e.correlation_id), time.time(), body)
                for e, body in zip(events, bodies, strict=True)
            ]
        )
        return [Event.from_bytes(body) for body in bodies]

    def consume(self, tracing: Tracing, event: Event, handler: Callable[[], Any]) -> Any:
        """What a consumer does around a handler."""
        with (
            caused_by(event),
            EventObserver("billing", tracing).handling(event),
        ):
            return handler()

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        """Every finished span by the words it begins with."""
        return {span.name.replace("ates.events:", ""): span for span in self.exporter.get_finished_spans()}


@pytest.fixture
def traced(tmp_path: Path) -> Traced:
    return Traced(tmp_path)


def price() -> Event:
    return Event.new("billing.task_priced.v1", subject="7", sequence=1, data={})


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    number: int = span.context.span_id
    return number


# With OpenTelemetry


def test_a_request_and_all_it_sets_off_in_two_services_are_one_trace(traced: Traced) -> None:
    assert traced.app.test_client().post("/tasks/7", headers=HEADER).text == "made"
    (arrived,) = traced.publish(traced.tracker, traced.sent)
    (priced,) = traced.publish(traced.billing, [traced.consume(traced.billing, arrived, price)])
    traced.consume(traced.tracker, priced, lambda: None)

    spans = traced.spans
    assert {span.context.trace_id for span in spans.values() if span.context} == {int(TRACE, 16)}
    assert set(spans) == {
        "POST /tasks/<task>",
        "create tracker.task_created.v2",
        "send tracker.task_created.v2",
        "process tracker.task_created.v2:billing.events",
        "create billing.task_priced.v1",
        "send billing.task_priced.v1",
        "process billing.task_priced.v1:tracker.events",
    }
    request, created = spans["POST /tasks/<task>"], spans["create tracker.task_created.v2"]
    processed, priced_span = (
        spans["process tracker.task_created.v2:billing.events"],
        spans["create billing.task_priced.v1"],
    )
    assert parent_of(request) == int(CALLER, 16)
    assert parent_of(created) == id_of(request)
    assert parent_of(spans["send tracker.task_created.v2"]) == parent_of(processed) == id_of(created)
    assert parent_of(priced_span) == id_of(processed)
    assert parent_of(spans["process billing.task_priced.v1:tracker.events"]) == id_of(priced_span)


def test_spans_say_what_the_conventions_want(traced: Traced) -> None:
    traced.app.test_client().post("/tasks/7", headers=HEADER)
    (arrived,) = traced.publish(traced.tracker, traced.sent)
    traced.consume(traced.billing, arrived, lambda: None)
    request, created, sent, processed = (
        next(span for name, span in traced.spans.items() if name.startswith(word))
        for word in ("POST", "create", "send", "process")
    )
    assert [span.kind for span in (request, created, sent, processed)] == [
        SpanKind.SERVER,
        SpanKind.PRODUCER,
        SpanKind.CLIENT,
        SpanKind.CONSUMER,
    ]
    assert (
        dict(request.attributes or {}).items()
        >= {
            "http.request.method": "POST",
            "http.route": "/tasks/<task>",
            "http.response.status_code": 200,
        }.items()
    )
    assert dict(processed.attributes or {}) == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "ates.events:tracker.task_created.v2:billing.events",
        "messaging.rabbitmq.destination.routing_key": "tracker.task_created.v2",
        "messaging.message.id": str(arrived.id),
        "messaging.message.conversation_id": str(arrived.correlation_id),
    }
    assert [link.context.span_id for span in (sent, processed) for link in span.links] == [id_of(created)] * 2
    assert processed.resource.attributes["service.name"] == "billing"


def test_a_handler_that_fails_and_a_request_that_fails_are_seen_in_the_trace(traced: Traced) -> None:
    traced.app.test_client().get("/broken")
    with pytest.raises(ZeroDivisionError):
        traced.consume(traced.billing, price(), lambda: 1 / 0)
    failed, broken = traced.spans["process billing.task_priced.v1:billing.events"], traced.spans["GET /broken"]
    assert (failed.status.status_code, broken.status.status_code) == (StatusCode.ERROR, StatusCode.ERROR)
    assert [noted.name for noted in failed.events] == ["exception"]


def test_a_job_is_a_trace_of_its_own(traced: Traced) -> None:
    with traced.billing.job("close_days") as trace, message_context(trace_event=trace.trace_event):
        made = price()
    job, created = traced.spans["job close_days"], traced.spans["create billing.task_priced.v1"]
    assert job.parent is None
    assert parent_of(created) == id_of(job)
    assert made.traceparent is not None
    assert int(made.traceparent.split("-")[2], 16) == id_of(created)


def test_a_trace_that_the_caller_does_not_record_is_carried_and_not_recorded_here_either(traced: Traced) -> None:
    unsampled = {"traceparent": f"00-{TRACE}-{CALLER}-00"}
    traced.app.test_client().post("/tasks/7", headers=unsampled)
    assert traced.spans == {}
    assert (traced.sent[0].traceparent or "").startswith(f"00-{TRACE}-")


def test_probes_are_no_part_of_a_trace(traced: Traced) -> None:
    traced.app.test_client().get("/livez")
    assert traced.spans == {}


# Without


@pytest.fixture
def untraced(tmp_path: Path) -> tuple[Flask, list[Event]]:
    app, made = Flask("tracker"), []
    init_observation(app, settings(tmp_path), Tracing())

    @app.get("/")
    def make() -> str:
        made.append(price())
        return "made"

    return app, made


def test_the_trace_of_a_caller_goes_on_into_the_events_and_those_that_follow(
    untraced: tuple[Flask, list[Event]], traced: Traced
) -> None:
    app, made = untraced
    app.test_client().get("/", headers=HEADER)
    (arrived,) = traced.publish(Tracing(), made)
    assert arrived.traceparent == HEADER["traceparent"]
    assert traced.consume(Tracing(), arrived, price).traceparent == HEADER["traceparent"]


def test_who_sends_no_trace_gets_none(untraced: tuple[Flask, list[Event]]) -> None:
    app, made = untraced
    app.test_client().get("/")
    app.test_client().get("/", headers={"traceparent": "00-nonsense"})
    assert [event.traceparent for event in made] == [None, None]


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (f"00-{TRACE}-{CALLER}-01", f"00-{TRACE}-{CALLER}-01"),
        (f"cc-{TRACE}-{CALLER}-01-what-comes-later", f"00-{TRACE}-{CALLER}-01"),
        (f"00-{TRACE}-{CALLER}-01-more", None),
        (f"ff-{TRACE}-{CALLER}-01", None),
        (f"00-{'0' * 32}-{CALLER}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{CALLER}-01", None),
        (f"00-{TRACE}-{CALLER}-01,00-{TRACE}-{CALLER}-01", None),
        ("", None),
    ],
)
def test_a_trace_context_is_read_as_the_standard_says(header: str, read: str | None) -> None:
    assert read_traceparent(header) == read


def test_without_an_endpoint_opentelemetry_is_not_even_imported() -> None:
    code = (
        "import sys, chassis.cli, chassis.web; from chassis.tracing import Tracing, load_tracing;"
        "assert type(load_tracing('tracker', 'web', {})) is Tracing;"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_endpoint_without_the_packages_is_said_and_nothing_else_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chassis.tracing.spans", None)
    with structlog.testing.capture_logs() as lines:
        tracing = load_tracing("tracker", "web", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    assert type(tracing) is Tracing
    assert ["requirements-tracing.lock" in line["reason"] for line in lines] == [True]


def test_with_an_endpoint_traces_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, str]] = []

    def export(service: str, kind: str) -> Tracing:
        made.append((service, kind))
        return Tracing()

    monkeypatch.setattr("chassis.tracing.spans.exporting_spans", export)
    load_tracing("tracker", "relay", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    assert made == [("tracker", "relay")]
