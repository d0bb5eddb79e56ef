"""Whatever bytes a stranger puts into a message, nothing comes of it but an event or a reason why it is none."""

import json
from struct import pack
from typing import Any

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.settings import REPOSITORY
from messaging import NotAnEvent, SchemaRegistry
from messaging.envelope import CONTENT_TYPE, Event
from messaging.received import Received
from messaging.schemas import Glossary, example_event
from tests.strangers import as_delivered, encounter

REGISTRY = SchemaRegistry.load(REPOSITORY / "event_schemas")
NAMES = sorted(REGISTRY.names())
PRODUCERS = sorted({name.partition(".")[0] for name in NAMES})
TYPES = [f"{name}.v{version}" for name in NAMES for version in REGISTRY.schemas[name]]
BODIES = [example_event(REGISTRY, type, Glossary()).to_bytes() for type in TYPES]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\ud800", "\0", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
times = st.datetimes().map(str) | st.builds(
    "{:04}-{:02}-{:02}T{:02}:00:00{}{:02}:{:02}".format,
    *(st.integers(0, 10_000), st.integers(0, 13), st.integers(0, 32), st.integers(0, 25)),
    *(st.sampled_from("+-Z "), st.integers(0, 24), st.integers(0, 60)),
)
short_texts = st.text(max_size=40) | st.sampled_from(("", "x" * 255, "é" * 127, "\0"))
header_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text()
    | st.binary()
    | st.sampled_from((10**15, 2**40)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(short_texts, inner, max_size=4),
    max_leaves=20,
)
our_names = st.sampled_from(
    ("attempts", "back-at", "waits-since", "death", "dead-letter-id", "replay", "replay-number", "sent-by")
)
properties = st.builds(
    pika.BasicProperties,
    content_type=st.just(CONTENT_TYPE) | short_texts,
    content_encoding=st.none() | short_texts,
    headers=st.dictionaries(short_texts | our_names, header_values, max_size=6),
    correlation_id=short_texts,
    message_id=st.uuids().map(str) | short_texts,
    timestamp=st.none() | st.integers(0, 2**64 - 1),
    type=short_texts,
    user_id=st.sampled_from(PRODUCERS) | short_texts,
    app_id=short_texts,
).map(lambda found: b"".join(found.encode()))


def mutated(whole: bytes) -> st.SearchStrategy[bytes]:
    """The same with a piece replaced."""
    places = st.tuples(st.integers(0, len(whole)), st.integers(0, 12), st.binary(max_size=12))
    return places.map(lambda place: whole[: place[0]] + place[2] + whole[place[0] + place[1] :])


def changed(body: bytes) -> st.SearchStrategy[bytes]:
    """The same event with other values in some of its attributes, or of its data."""
    event = json.loads(body)
    attributes = st.dictionaries(st.sampled_from(sorted(event)), json_values, max_size=3)
    data = st.dictionaries(st.sampled_from(sorted(event["data"])), json_values, max_size=3)
    return st.tuples(attributes, data, times | st.just(event["time"])).map(
        lambda found: json.dumps(event | {"data": event["data"] | found[1], "time": found[2]} | found[0]).encode()
    )


bodies = st.sampled_from(BODIES).flatmap(lambda body: st.just(body) | changed(body) | mutated(body)) | st.binary()


@given(
    properties=properties.flatmap(lambda whole: st.just(whole) | mutated(whole)) | st.binary(),
    body=bodies,
    routing_key=st.sampled_from(TYPES) | short_texts | st.binary(max_size=255),
)
def test_every_message_is_an_event_or_has_a_reason_to_be_dead(
    properties: bytes, body: bytes, routing_key: str | bytes
) -> None:
    encounter(as_delivered(properties, body, routing_key), REGISTRY, NAMES)


@pytest.mark.parametrize("body", BODIES)
def test_an_event_of_ours_is_one(body: bytes) -> None:
    event = Event.from_bytes(body)
    headers = {"subject": "apples", "sequence": 1}
    fine = pika.BasicProperties(content_type=CONTENT_TYPE, user_id=event.producer, headers=headers)
    outcome = encounter(as_delivered(b"".join(fine.encode()), body, event.type), REGISTRY, NAMES)
    assert isinstance(outcome, Received)
    assert outcome.event.id == event.id


@pytest.mark.parametrize("levels", [600, 15_000])
def test_of_properties_with_unreadable_headers_the_others_are_read(levels: int) -> None:
    fields = b""
    for _ in range(levels):
        fields = b"\x01tF" + pack(">I", len(fields)) + fields
    known = {"content_type": CONTENT_TYPE, "content_encoding": "utf-8", "message_id": "m-1", "user_id": "shop"}
    encoded = b"".join(pika.BasicProperties(**known, headers={"here": 1}).encode())
    here = encoded.index(b"\4here") - 4
    length = int.from_bytes(encoded[here : here + 4])
    evil = encoded[:here] + pack(">I", len(fields)) + fields + encoded[here + 4 + length :]
    delivery = as_delivered(evil, BODIES[0])
    assert (delivery.content_type, delivery.message_id, delivery.headers) == (CONTENT_TYPE, "m-1", {})
    assert "RecursionError" in delivery.unreadable
    outcome = encounter(delivery, REGISTRY, NAMES)
    assert isinstance(outcome, NotAnEvent)
    assert "headers cannot be read" in str(outcome)


def test_headers_are_kept_as_deep_as_a_person_looks() -> None:
    deep: dict[str, Any] = {}
    for _ in range(50):
        deep = {"in": deep}
    encoded = pika.BasicProperties(headers={"deep": deep, "list": [[1], {"a": None}], "nul": "a\0b"}).encode()
    headers = as_delivered(b"".join(encoded), b"").headers
    assert (headers["list"], headers["nul"]) == ([[1], {"a": None}], "a?b")
    assert json.dumps(headers["deep"]).count("in") == 10
