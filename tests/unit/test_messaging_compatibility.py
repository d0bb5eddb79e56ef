"""The compatibility report: what it finds is named for a person, and what it calls compatible is read."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging import Event, SchemaInvalid, SchemaRegistry
from messaging.schemas.compatibility import Direction, Finding, compare
from messaging.schemas.gaps import gaps
from messaging.schemas.json_schema import as_object, filled, in_words, opened, validator
from tests.unit.schema_strategies import (
    SAMPLES,
    Schema,
    list_schemas,
    next_versions,
    number_schemas,
    object_schemas,
    scalar_schemas,
    text_schemas,
    values,
)

SOLD = "shop.item_sold"


def closed(required: tuple[str, ...] = (), **properties: Any) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


def report(*versions: Schema, **options: Any) -> list[Finding]:
    registry = SchemaRegistry({SOLD: dict(enumerate(versions, start=1))}, **options)
    return compare(registry, {"till": {SOLD: print}, "stock": {SOLD}, "auditor": ()})


TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}

BACKWARD_AND_FORWARD = [
    # older rule, newer rule, complaint backward, complaint forward
    (TEXT, {**TEXT, "maxLength": 5}, "v1 may send text, v2 takes only text of at most 5 characters", None),
    (TEXT, {**TEXT, "minLength": 1}, "text of at least 1 characters", None),
    (
        TEXT,
        {**TEXT, "minLength": 1, "maxLength": 5, "pattern": "^a"},
        "text of 1 to 5 characters that matches `^a`",
        None,
    ),
    ({**TEXT, "maxLength": 5}, {**TEXT, "maxLength": 9}, None, "v2 may send text of at most 9 characters"),
    (TEXT, {**TEXT, "pattern": "^a"}, "that matches `^a`", None),
    (TEXT, {**TEXT, "format": "uuid"}, "v2 takes only a UUID", None),
    ({**TEXT, "format": "date"}, {**TEXT, "format": "date-time"}, "v1 may send a date, v2 takes only a time", "a time"),
    (NUMBER, {**NUMBER, "minimum": 1}, "a whole number of at least 1", None),
    (NUMBER, {**NUMBER, "maximum": 9}, "a whole number of at most 9", None),
    (NUMBER, {**NUMBER, "exclusiveMaximum": 9}, "a whole number below 9", None),
    ({**NUMBER, "minimum": 1}, {**NUMBER, "exclusiveMinimum": 1}, "a whole number above 1", None),
    ({**NUMBER, "maximum": 1}, {**NUMBER, "exclusiveMaximum": 1}, "a whole number below 1", None),
    (NUMBER, {**NUMBER, "multipleOf": 5}, "a multiple of 5", None),
    ({"type": ["integer", "number"]}, {"type": "number"}, None, None),
    (NUMBER, {"type": "number"}, None, "v2 may send a number, v1 takes only a whole number"),
    (NUMBER, TEXT, "v1 may send a whole number, v2 takes only text", "v2 may send text, v1 takes only a whole number"),
    (TEXT, {"type": ["string", "null"]}, None, "v2 may send null, v1 takes only text"),
    ({"enum": ["a"]}, {"enum": ["a", "b"]}, None, "v2 may send one of `b`, v1 takes only one of `a`"),
    ({"enum": ["a"]}, TEXT, None, "v2 may send text, v1 takes only one of `a`"),
    ({"const": 1}, NUMBER, None, "v1 takes only `1`"),
    ({"type": "array", "items": TEXT}, {"type": "array", "items": NUMBER}, "`x[]`: v1 may send text", "`x[]`"),
    ({"type": "array"}, {"type": "array", "minItems": 1}, "a list with at least 1 items", None),
    ({"type": "array"}, {"type": "array", "maxItems": 1}, "a list with at most 1 items", None),
    ({"type": "array"}, {"type": "array", "uniqueItems": True}, "a list and no repeats", None),
    (closed(y=TEXT), closed(("y",), y=TEXT), "`x.y`: v1 need not send it, v2 requires it and has no default", None),
    (closed(("y",), y=TEXT), closed(), None, "`x.y`: v2 need not send it, v1 requires it"),
    (closed(y=TEXT), closed(y=NUMBER), "`x.y`: v1 may send text", "`x.y`: v2 may send a whole number"),
    ({"type": "array", "items": closed(y=TEXT)}, {"type": "array", "items": closed(y=NUMBER)}, "`x[].y`", "`x[].y`"),
    ({"type": "object"}, {"type": "object", "properties": {"y": TEXT}}, "`x.y`: v1 is not closed", None),
    ({"anyOf": [TEXT]}, {"anyOf": [NUMBER]}, "v2 cannot be compared with it (`anyOf`)", "(`anyOf`)"),
    (TEXT, {**TEXT, "default": None}, None, None),  # it is always sent
    ({"anyOf": [TEXT]}, {"anyOf": [TEXT]}, None, None),
    ({"enum": ["a"]}, {**TEXT, "minLength": 1}, None, "may send text"),
    ({"type": "boolean"}, {"enum": [True, False]}, None, None),
    ({**NUMBER, "minimum": 1}, {**NUMBER, "exclusiveMinimum": 0}, None, "above 0"),
    (TEXT, {**TEXT, "title": "a", "description": "b", "examples": ["c"], "deprecated": True}, None, None),
]


@pytest.mark.parametrize(("older", "newer", "backward", "forward"), BACKWARD_AND_FORWARD)
def test_a_changed_rule_is_told_with_what_is_sent_and_what_is_taken(
    older: Schema, newer: Schema, backward: str | None, forward: str | None
) -> None:
    found = report(closed(("x",), x=older), closed(("x",), x=newer))
    for direction, complaint in ((Direction.BACKWARD, backward), (Direction.FORWARD, forward)):
        texts = [str(finding) for finding in found if finding.direction == direction]
        assert len(texts) == bool(complaint), texts
        assert complaint is None or complaint in texts[0]


@pytest.mark.parametrize(
    ("older", "newer", "complaints"),
    [
        (closed(), closed(x=TEXT), []),
        (closed(x=TEXT), closed(), []),
        (closed(), closed(("x",), x={**TEXT, "default": "a"}), []),
        (closed(), closed(("x",), x=TEXT), ["backward: `x`: v1 need not send it, v2 requires it and has no default"]),
        (closed(("x",), x=TEXT), closed(x=TEXT), ["forward: `x`: v2 need not send it, v1 requires it."]),
        (closed(("x",), x=TEXT), closed(), ["forward: `x`: v2 need not send it, v1 requires it."]),
        (
            closed(),
            closed(x={**TEXT, "default": 5}),
            ["backward: `x`: v1 may lack it, v2 fills in `5`, but takes only text"],
        ),
        (
            closed(x={"type": "array", "uniqueItems": True, "items": closed()}),
            closed(x={"type": "array", "uniqueItems": True, "items": closed(y={**TEXT, "default": "a"})}),
            ["backward: `x`: v1 may send a list of (an object) and no repeats"],
        ),
        (
            {"type": "object"},
            closed(x=TEXT),
            ["backward: `x`: v1 is not closed and may send anything under this name, v2 takes only text"],
        ),
    ],
)
def test_fields_may_come_with_a_default_and_go_when_they_were_optional(
    older: Schema, newer: Schema, complaints: list[str]
) -> None:
    found = [str(finding) for finding in report(older, newer)]
    assert len(found) == len(complaints)
    assert all(complaint in text for complaint, text in zip(complaints, found, strict=True))


def test_a_finding_names_who_breaks_and_when() -> None:
    (backward, forward) = report(closed(("x",), x=TEXT), closed(("x",), x=NUMBER))
    assert str(backward) == (
        "shop.item_sold v1 -> v2, backward: `x`: v1 may send text, v2 takes only a whole number. "
        "Breaks till and stock (expecting v2) when a v1 event of shop comes late or is replayed."
    )
    assert str(forward).endswith("Breaks till and stock (still expecting v1) once shop sends v2.")


def test_an_event_that_nobody_listens_to_breaks_whoever_comes() -> None:
    registry = SchemaRegistry({SOLD: {1: closed(), 2: closed(("x",), x=TEXT)}})
    assert "Breaks nobody today, but any consumer (" in str(compare(registry, {})[0])


def test_a_name_that_was_dropped_may_not_come_back() -> None:
    found = report(closed(x=TEXT), closed(), closed(x={**NUMBER, "default": 1}))
    assert [(finding.field, finding.newer) for finding in found] == [("x", 3)]
    assert "v2 dropped it, v3 takes it for the one of v1: choose another name" in str(found[0])


def test_an_explicit_upcaster_settles_what_is_backward_and_nothing_else() -> None:
    older, newer = closed(("x",), x=TEXT), closed(("x",), x=NUMBER)
    found = report(older, newer, upcasters={f"{SOLD}.v1": lambda data: data})
    assert {finding.direction: bool(finding.settled) for finding in found} == {"backward": True, "forward": False}


def test_a_version_may_say_itself_that_it_breaks() -> None:
    found = report(closed(("x",), x=TEXT), closed() | {"x-breaking": "nobody ever used x"})
    assert [finding.settled for finding in found] == ["accepted, nobody ever used x"]
    assert str(found[0]).endswith("Settled: accepted, nobody ever used x.")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, "anything"),
        (True, "anything"),
        (False, "something with rules about `not`"),
        ({"type": ["integer", "null"], "minimum": 0, "maximum": 9}, "a whole number of 0 to 9 or null"),
        ({"type": "string", "minLength": 2, "maxLength": 2}, "text of exactly 2 characters"),
        ({"type": "string", "format": "email"}, "text (format email)"),
        ({"type": "array", "items": NUMBER, "maxItems": 3}, "a list of (a whole number) with at most 3 items"),
        ({"enum": ["a", None, 1]}, "one of `a`, `null`, `1`"),
    ],
)
def test_rules_are_told_in_words(schema: Any, words: str) -> None:
    assert in_words(schema) == words


def breaks(versions: list[Schema], direction: Direction) -> bool:
    return any(finding.direction == direction for finding in report(*versions))


# Whatever is drawn is of use this way round: data that is not read has to be told of in the report.


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_is_compatible_backward_is_read_by_new_consumers_after_the_lift(data: st.DataObject) -> None:
    versions = [data.draw(object_schemas())]
    for _ in range(data.draw(st.integers(1, 2))):
        versions.append(data.draw(next_versions(versions[-1])))
    registry = SchemaRegistry({SOLD: dict(enumerate(versions, start=1))})
    for sent in data.draw(st.lists(values(versions[0]), min_size=1, max_size=4)):
        event = Event.new(f"{SOLD}.v1", subject="s", sequence=1, data=sent)
        registry.validate(event)
        try:
            lifted = registry.upcast(event)
        except SchemaInvalid:
            assert breaks(versions, Direction.BACKWARD)
        else:
            assert validator(as_object(opened(versions[-1]))).is_valid(lifted.data)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_is_compatible_forward_is_read_by_old_consumers(data: st.DataObject) -> None:
    older = data.draw(object_schemas())
    newer = data.draw(next_versions(older))
    readable = validator(as_object(opened(older)))
    for sent in data.draw(st.lists(values(newer), min_size=1, max_size=4)):
        assert readable.is_valid(sent) or breaks([older, newer], Direction.FORWARD)


@pytest.mark.parametrize("fill", [False, True], ids=["as it is", "filled"])
@pytest.mark.parametrize(
    "rules",
    [text_schemas(), number_schemas(), scalar_schemas(), list_schemas(1), object_schemas(1)],
    ids=["texts", "numbers", "scalars", "lists", "objects"],
)
@settings(deadline=None)
@given(st.data())
def test_what_a_reader_refuses_is_a_gap(fill: bool, rules: st.SearchStrategy[Schema], data: st.DataObject) -> None:
    writer = data.draw(rules)
    reader = data.draw(rules | next_versions(writer, depth=1))
    sendable, readable = validator(writer), validator(as_object(opened(reader)))
    refused = [
        sample
        for sample in SAMPLES
        if sendable.is_valid(sample) and not readable.is_valid(filled(reader, sample) if fill else sample)
    ]
    assert not refused or list(gaps(writer, reader, fill=fill))


@settings(deadline=None)
@given(object_schemas())
def test_a_version_that_changes_nothing_but_words_breaks_nobody(schema: Schema) -> None:
    assert not breaks([schema, schema | {"title": "The same in other words"}], Direction.FORWARD)
