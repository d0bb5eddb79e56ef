"""The envelope: what is written is read again, and what is no event is refused with the attribute at fault."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging import Event, NotAnEvent, TooLarge, message_context
from messaging.envelope import MAX_BYTES

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def an_event(**changes: Any) -> Event:
    values: dict[str, Any] = {"type": "tracker.task_created.v1", "subject": "t-1", "sequence": 1, "data": {"a": 1}}
    return Event.new(**(values | changes))


def envelope(**changes: Any) -> bytes:
    found = json.loads(an_event().to_bytes())
    found.update(changes)
    return json.dumps({name: value for name, value in found.items() if value is not ...}).encode()


@given(
    data=st.dictionaries(st.text(), json_values, max_size=5),
    subject=st.text(min_size=1, max_size=255).filter(str.isprintable),
    sequence=st.integers(1, 2**31 - 1),
    caused=st.booleans(),
)
def test_every_event_is_read_as_it_was_written(data: dict[str, Any], subject: str, sequence: int, caused: bool) -> None:
    with message_context(cause=an_event() if caused else None, traceparent="00-1-2-01"):
        event = an_event(data=data, subject=subject, sequence=sequence)
    assert Event.from_bytes(event.to_bytes()) == event


def test_a_time_with_another_offset_is_read_as_utc() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=3)))
    assert Event.from_bytes(envelope(time=moment.isoformat())).time == datetime(2026, 1, 2, 0, 4, 5, tzinfo=UTC)


def test_the_type_tells_producer_name_and_version() -> None:
    event = an_event(type="tracker.task_created.v12")
    assert (event.producer, event.name, event.version) == ("tracker", "tracker.task_created", 12)


def test_an_event_without_a_context_starts_its_own_correlation() -> None:
    event = an_event()
    assert event.correlation_id == event.id
    assert event.causation_id is None


def test_events_made_in_a_context_carry_correlation_and_cause() -> None:
    correlation, cause = uuid4(), an_event()
    with message_context(correlation_id=correlation, cause=cause):
        inside = an_event()
    assert (inside.correlation_id, inside.causation_id) == (correlation, cause.id)
    assert an_event().causation_id is None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": "not-a-uuid"}, "id "),
        ({"id": ...}, "id is missing"),
        ({"type": "Tracker.TaskCreated"}, "type"),
        ({"type": "tracker.task_created.v0"}, "type"),
        ({"source": "/billing"}, "source"),
        ({"subject": ""}, "subject"),
        ({"subject": "a" * 256}, "subject"),
        ({"subject": "a\0b"}, "subject"),
        ({"subject": "\ud800"}, "surrogate"),
        ({"time": "nope"}, "time"),
        ({"time": "0001-01-01T00:00:00+05:00"}, "time"),
        ({"time": "9999-12-31T23:59:59-14:00"}, "time"),
        ({"time": "1969-12-31T23:59:59Z"}, "time .* 1970-01-01"),
        ({"time": "9999-12-31T00:00:00Z"}, "time .* 9999-12-30"),
        ({"traceparent": "0" * 256}, "traceparent"),
        ({"traceparent": "a\nb"}, "traceparent"),
        ({"type": f"tracker.{'x' * 200}.v1"}, "type"),
        ({"time": "2026-01-01T00:00:00"}, "offset"),
        ({"sequence": "1"}, "sequence"),
        ({"sequence": 0}, "sequence"),
        ({"sequence": True}, "sequence"),
        ({"sequence": 2**31}, "sequence"),
        ({"correlationid": 5}, "correlationid"),
        ({"data": [1]}, "data"),
        ({"data": ...}, "data"),
    ],
)
def test_a_wrong_attribute_is_named(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(NotAnEvent, match=complaint):
        Event.from_bytes(envelope(**changes))


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[]", b"null", b"{", b"[" * 100_000, b"9" * 5000, '{"id": "é"}'.encode("utf-16")]
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(NotAnEvent):
        Event.from_bytes(body)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_do_more_than_be_refused(body: bytes) -> None:
    with pytest.raises(NotAnEvent):
        Event.from_bytes(body)


def test_an_event_may_not_be_larger_than_the_limit_in_either_direction() -> None:
    with pytest.raises(TooLarge, match=str(MAX_BYTES)):
        an_event(data={"text": "x" * MAX_BYTES}).to_bytes()
    with pytest.raises(TooLarge, match=str(MAX_BYTES)):
        Event.from_bytes(b" " * (MAX_BYTES + 1))


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e400", r'"\ud800"', "[" * 99 + "]" * 99, "9" * 5000])
def test_data_that_could_not_be_written_again_is_refused(value: str) -> None:
    body = an_event(data={"x": "here"}).to_bytes().replace(b'"here"', value.encode())
    with pytest.raises(NotAnEvent, match="the body is not JSON"):
        Event.from_bytes(body)


def test_data_is_written_as_deep_as_it_can_be_read_and_no_deeper() -> None:
    deep: list[Any] = []
    for _ in range(97):  # two levels are the envelope's
        deep = [deep]
    event = an_event(data={"deep": deep})
    assert Event.from_bytes(event.to_bytes()) == event
    with pytest.raises(ValueError, match="deep"):
        an_event(data={"deep": [deep]}).to_bytes()


def test_what_a_complaint_shows_of_an_attribute_is_short() -> None:
    with pytest.raises(NotAnEvent) as refused:
        Event.from_bytes(envelope(id="x" * 100_000))
    assert len(str(refused.value)) < 500


def test_numbers_that_json_does_not_have_are_not_sent() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        an_event(data={"x": float("nan")}).to_bytes()
