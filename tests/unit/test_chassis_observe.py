"""What a service tells of itself: metrics, probes, and log lines that say what they belong to."""

import importlib
import io
import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import structlog
import yaml
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry, generate_latest

from chassis.observe import EventObserver, LoopHealth, configure_logging
from chassis.settings import REPOSITORY, SettingsError
from messaging import Event, Health, PendingEvent, message_context
from tests.chassis_parts import People, demo_app, settings

HOUR = 3600.0
OBSERVABILITY = REPOSITORY / "deploy" / "docker" / "observability"


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return demo_app(settings(tmp_path), People()).test_client()


def event(name: str = "task_created") -> Event:
    return Event.new(f"tracker.{name}.v2", subject="1", sequence=1, data={})


def pending(found: Event, *, made_ago: float) -> PendingEvent:
    return PendingEvent(
        1, str(found.id), found.type, "1", 1, str(found.correlation_id), time.time() - made_ago, found.to_bytes()
    )


def numbers(observer: EventObserver) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(observer)
    return registry


# Numbers


def test_published_events_are_timed_from_their_making_to_the_confirm() -> None:
    observer = EventObserver("tracker")
    observer.published([pending(event(), made_ago=HOUR), pending(event(), made_ago=0)])
    observer.published([pending(event(), made_ago=24 * HOUR)])
    told = numbers(observer)

    def up_to(seconds: str) -> float | None:
        return told.get_sample_value("outbox_confirm_seconds_bucket", {"service": "tracker", "le": seconds})

    assert (up_to("1800.0"), up_to("7200.0"), up_to("+Inf")) == (1, 2, 3)
    assert told.get_sample_value("outbox_confirm_seconds_count", {"service": "tracker"}) == 3
    assert (told.get_sample_value("outbox_confirm_seconds_sum", {"service": "tracker"}) or 0) >= 25 * HOUR


def test_consumed_events_are_counted_by_what_became_of_them() -> None:
    observer = EventObserver("billing")
    for outcome in ("done", "done", "retry", "dead", "duplicate", "waiting"):
        observer.outcome(outcome, event())
    observer.outcome("dead", None)
    told = numbers(observer)

    def consumed(outcome: str, name: str = "tracker.task_created") -> float | None:
        return told.get_sample_value("events_consumed_total", {"service": "billing", "event": name, "outcome": outcome})

    assert [consumed(o) for o in ("done", "retry", "dead", "duplicate", "waiting")] == [2, 1, 1, 1, 1]
    assert consumed("dead", "unreadable") == 1


def test_the_lag_of_an_effect_is_that_of_events_that_had_one() -> None:
    observer = EventObserver("billing")
    observer.outcome("done", event())
    observer.outcome("duplicate", event())
    observer.outcome("done", event("task_assigned"))
    told = numbers(observer)
    for name in ("tracker.task_created", "tracker.task_assigned"):
        assert told.get_sample_value("events_effect_seconds_count", {"service": "billing", "event": name}) == 1


def test_numbers_of_a_database_that_is_away_are_left_out_and_the_others_are_not(client: FlaskClient) -> None:
    client.get("/api/v1/things/whoami")
    text = client.get("/metrics").text
    assert "outbox_pending{" not in text
    assert 'health_ready{service="tracker"} 0.0' in text
    assert 'http_request_duration_seconds_bucket{le="0.004",method="GET",route="/api/v1/things/whoami"' in text


def test_a_client_cannot_make_metrics_grow_by_methods_and_addresses_of_its_own(client: FlaskClient) -> None:
    for word in ("BREW", "STEEP"):
        client.open(f"/nowhere/{word}", method=word)
    text = client.get("/metrics").text
    assert 'method="other",route="none"' in text
    assert "BREW" not in text


# Probes


def test_a_loop_that_waits_for_a_server_is_alive_and_says_whom_it_waits_for() -> None:
    condition = Health()
    health = LoopHealth(condition)
    assert health.alive() == (True, "starting")
    assert health.ready() == (False, "starting")
    condition.turn("blocked by the broker's alarm", ready=False)
    assert health.alive() == (True, "blocked by the broker's alarm")
    assert health.ready() == (False, "blocked by the broker's alarm")
    condition.turn("publishing", ready=True)
    assert health.ready() == (True, "publishing")


@pytest.mark.parametrize(
    ("seconds", "alive", "ready"), [(14, True, True), (16, True, False), (119, True, False), (121, False, False)]
)
def test_a_loop_that_does_not_come_round_is_first_not_ready_and_then_not_alive(
    seconds: float, alive: bool, ready: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    condition = Health()
    condition.turn("consuming", ready=True)
    monkeypatch.setattr(condition, "seconds_since_turn", lambda: seconds)
    health = LoopHealth(condition)
    assert (health.alive()[0], health.ready()[0]) == (alive, ready)
    if not alive:
        assert health.alive()[1] == "consuming, and has not come round for 121 s"


def test_who_goes_on_within_a_long_round_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    condition = Health()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 1000)
    assert not LoopHealth(condition).alive()[0]
    condition.come_round()
    assert LoopHealth(condition).alive()[0]


def test_a_web_server_says_what_keeps_it_from_its_work(client: FlaskClient) -> None:
    assert client.get("/livez").json == {"status": "alive", "doing": "serving"}
    assert client.get("/readyz").json == {"status": "not ready", "doing": "waiting for the database"}


# Logs


@contextmanager
def logged(monkeypatch: pytest.MonkeyPatch, level: str = "INFO") -> Iterator[list[dict[str, Any]]]:
    """Lines that were written to stderr in the block, once it is left; then logging is as it was."""
    lines: list[dict[str, Any]] = []
    root = logging.getLogger()
    packages = [logging.getLogger(name) for name in ("chassis", "messaging", "tracker_service", "pika", "apscheduler")]
    before = list(root.handlers), root.level, [package.level for package in packages]
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    try:
        configure_logging("tracker", "consumer", level)
        yield lines
    finally:
        lines += [json.loads(line) for line in stream.getvalue().splitlines()]
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        for package, old in zip(packages, before[2], strict=True):
            package.setLevel(old)
        structlog.reset_defaults()


def test_a_line_in_the_handling_of_an_event_names_the_event_and_what_set_it_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = event()
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with logged(monkeypatch) as lines:
        with (
            message_context(correlation_id=found.correlation_id, cause=found, traceparent=traceparent),
            EventObserver("tracker").handling(found),
        ):
            logging.getLogger("somebody.else").warning("plain")
            structlog.get_logger("ours").warning("structured", colour="green")
        logging.getLogger("somebody.else").warning("after")
    expected = {
        "correlation_id": str(found.correlation_id),
        "event_id": str(found.id),
        "event_type": "tracker.task_created.v2",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "service": "tracker",
        "process": "consumer",
    }
    plain, structured, after = lines
    assert plain.items() >= {**expected, "message": "plain"}.items()
    assert structured.items() >= {**expected, "message": "structured", "colour": "green"}.items()
    assert not after.keys() & {"correlation_id", "event_id", "event_type", "trace_id"}


def test_an_event_gets_a_line_only_from_who_wants_to_follow_each(monkeypatch: pytest.MonkeyPatch) -> None:
    found = event()
    for level, expected in (("INFO", []), ("debug", ["published", "consumed"])):
        with logged(monkeypatch, level) as lines:
            observer = EventObserver("tracker")
            observer.published([pending(found, made_ago=0)])
            observer.outcome("done", found)
            logging.getLogger("somebody.else").debug("chatter")
        assert [line["message"] for line in lines] == expected
        about = {(line["correlation_id"], line["event_id"], line["event_type"]) for line in lines}
        assert about <= {(str(found.correlation_id), str(found.id), found.type)}


def test_a_level_that_is_none_is_refused_by_the_name_of_its_variable() -> None:
    with pytest.raises(SettingsError, match="ATES_LOG_LEVEL is 'LOUD'"):
        configure_logging("tracker", "web", "LOUD")


def test_a_request_and_what_it_logs_have_the_same_correlation_id(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = str(uuid4())
    with logged(monkeypatch) as lines:
        client.application.before_request(lambda: logging.getLogger("somebody.else").warning("within"))
        client.get("/nowhere", headers={"X-Request-ID": mine})
    assert [line["correlation_id"] for line in lines if line["message"] == "within"] == [mine]


# docs/operation.md


def of_ours(client: FlaskClient) -> set[str]:
    """Every metric of ours by the name under which it is found in Prometheus; those of a histogram without suffix."""
    for module in ("chassis.cli", "billing_service.jobs"):  # all that our processes may have
        importlib.import_module(module)
    told = generate_latest(numbers(EventObserver("tracker"))).decode() + client.get("/metrics").text
    names = {line.split()[2] for line in told.splitlines() if line.startswith("# TYPE")}
    return {name for name in names if not name.startswith(("python_", "process_")) and not name.endswith("_created")}


def test_every_metric_is_explained_to_the_operator_and_none_that_is_not_there(client: FlaskClient) -> None:
    page = (REPOSITORY / "docs" / "operation.md").read_text()
    explained = set(
        re.findall(r"^\| `(\w+)` \|", page.partition("| metric |")[2].partition("### Alerts")[0], re.MULTILINE)
    )
    assert explained == of_ours(client)


def named_metrics(expression: str) -> set[str]:
    """The metrics that an expression of Prometheus names."""
    bare = re.sub(r"\{[^}]*\}|\b(?:by|or|unless) \([^)]*\)|\[[^\]]*\]", "", expression)
    named = set(re.findall(r"\b[a-z]+_[a-z_]+\b(?!\()", bare)) - {"histogram_quantile", "min_over_time"}
    return {name.removesuffix("_bucket") for name in named if not name.startswith("process_")}


def test_the_alerts_are_about_metrics_that_exist(client: FlaskClient) -> None:
    rules = yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())["groups"][0]["rules"]
    ours = of_ours(client)
    assert len(rules) > 10
    for rule in rules:
        named = named_metrics(rule["expr"])
        assert named <= ours, rule["alert"]
        assert named or "up" in rule["expr"]


def test_the_dashboard_shows_metrics_that_exist(client: FlaskClient) -> None:
    panels = json.loads((OBSERVABILITY / "dashboard.json").read_text())["panels"]
    shown = {metric for panel in panels for target in panel["targets"] for metric in named_metrics(target["expr"])}
    assert shown <= of_ours(client)
    assert {"outbox_pending", "dead_letters_open", "health_ready"} <= shown
