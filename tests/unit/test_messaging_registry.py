"""The schema registry: what fits passes, what does not is named, older versions are lifted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging import Event, SchemaInvalid, SchemaRegistry, UnknownType
from messaging.errors import SchemaRegistryError
from messaging.schemas import UpcasterTable
from messaging.schemas.json_schema import CompiledValidator, validator
from tests.unit.schema_strategies import SAMPLES, object_schemas, values

ONE: dict[str, Any] = {
    "type": "object",
    "required": ["title"],
    "additionalProperties": False,
    "properties": {"title": {"type": "string"}, "at": {"type": "string", "format": "date-time"}},
}
TWO = {**ONE, "properties": {**ONE["properties"], "jira_id": {"type": ["string", "null"], "default": None}}}
THREE = {**TWO, "properties": {**TWO["properties"], "weight": {"type": "integer", "default": 7}}}


def registry(*versions: dict[str, Any], upcasters: UpcasterTable | None = None) -> SchemaRegistry:
    return SchemaRegistry({"tracker.task_created": dict(enumerate(versions, start=1))}, upcasters=upcasters)


def created(version: int = 1, **data: Any) -> Event:
    return Event.new(f"tracker.task_created.v{version}", subject="t", sequence=1, data=data)


def test_data_that_fits_passes() -> None:
    registry(ONE).validate(created(title="Feed the chick", at="2026-01-02T03:04:05Z"))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({}, "title"),
        ({"title": 5}, r"data\.title: 5"),
        ({"title": "a", "more": 1}, "more"),
        ({"title": "a", "at": "nope"}, r"data\.at: 'nope'"),
    ],
)
def test_the_field_that_does_not_fit_is_named(data: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SchemaInvalid, match=complaint):
        registry(ONE).validate(created(**data))


def test_a_complaint_about_a_long_text_stays_short() -> None:
    with pytest.raises(SchemaInvalid) as caught:
        registry(ONE).validate(created(title="a", at="x" * 10_000))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("version", [2, 9])
def test_a_version_without_a_schema_is_unknown_and_the_known_ones_are_named(version: int) -> None:
    with pytest.raises(UnknownType, match=r"\[1\]"):
        registry(ONE).validate(created(version, title="a"))


def test_an_older_version_is_lifted_through_all_between() -> None:
    lifted = registry(ONE, TWO, THREE).upcast(created(title="a"))
    assert lifted.type == "tracker.task_created.v3"
    assert lifted.data == {"title": "a", "jira_id": None, "weight": 7}


def test_lifting_changes_neither_the_original_nor_what_is_there() -> None:
    original = created(2, title="a", jira_id="POPUG-1")
    lifted = registry(ONE, TWO, THREE).upcast(original)
    assert lifted.data["jira_id"] == "POPUG-1"
    assert lifted.id == original.id
    assert original.data == {"title": "a", "jira_id": "POPUG-1"}


def test_the_newest_version_is_left_as_it_is() -> None:
    event = created(2, title="a", jira_id=None)
    assert registry(ONE, TWO).upcast(event) is event


def test_what_a_newer_version_dropped_is_left_for_handlers_that_do_not_know_yet() -> None:
    without_title = {**ONE, "required": [], "properties": {"at": ONE["properties"]["at"]}}
    assert registry(ONE, without_title).upcast(created(title="a")).data == {"title": "a"}


def test_defaults_are_filled_in_inside_objects_and_lists_too_and_nobody_shares_them() -> None:
    line = {"type": "object", "properties": {"marks": {"default": []}}}
    older = {"type": "object", "properties": {"line": {}, "lines": {}}}
    newer = {"type": "object", "properties": {"line": line, "lines": {"type": "array", "items": line}}}
    lifting = registry(older, newer)
    lifted = lifting.upcast(created(line={}, lines=[{}, {"marks": [1]}]))
    assert lifted.data == {"line": {"marks": []}, "lines": [{"marks": []}, {"marks": [1]}]}
    lifted.data["line"]["marks"].append(2)
    assert lifting.upcast(created(line={}, lines=[])).data == {"line": {"marks": []}, "lines": []}


def split(data: dict[str, Any]) -> dict[str, Any]:
    data["jira_id"], _, data["title"] = data["title"].rpartition(": ")
    return data


UPCASTERS = {"tracker.task_created.v1": split}


def test_an_upcaster_of_a_version_says_what_a_default_cannot() -> None:
    original = created(title="POPUG-1: Feed")
    lifted = registry(ONE, TWO, THREE, upcasters=UPCASTERS).upcast(original)
    assert lifted.data == {"title": "Feed", "jira_id": "POPUG-1", "weight": 7}
    assert original.data == {"title": "POPUG-1: Feed"}


def test_an_upcaster_leaves_other_versions_alone() -> None:
    lifted = registry(ONE, TWO, THREE, upcasters=UPCASTERS).upcast(created(2, title="a: b", jira_id=None))
    assert lifted.data == {"title": "a: b", "jira_id": None, "weight": 7}


@pytest.mark.parametrize("wrong", [lambda data: {"title": 5}, lambda data: data["nothing"]])
def test_what_an_upcaster_does_wrong_never_reaches_a_handler(wrong: Callable[[Any], Any]) -> None:
    lifting = registry(ONE, TWO, upcasters={"tracker.task_created.v1": wrong})
    with pytest.raises(SchemaInvalid, match=r"tracker\.task_created\.v1.*(lifted to v2: data\.title|KeyError)"):
        lifting.upcast(created(title="a"))


def test_what_no_default_can_cure_is_not_handed_on_either() -> None:
    newer = {**TWO, "required": ["title", "at"]}
    with pytest.raises(SchemaInvalid, match="'at' is a required property"):
        registry(ONE, newer).upcast(created(title="a"))


@pytest.mark.parametrize("type", ["tracker.task_created.v2", "tracker.task_created.v7", "tracker.task_forgotten.v1"])
def test_an_upcaster_with_nothing_to_lift_is_a_mistake(type: str) -> None:
    with pytest.raises(SchemaRegistryError, match=type):
        registry(ONE, TWO, upcasters={type: split})


@given(object_schemas(), st.data())
def test_compiled_or_not_a_schema_passes_the_same(schema: dict[str, Any], data: st.DataObject) -> None:
    compiled, authority = CompiledValidator(schema), validator(schema)
    for document in (data.draw(values(schema)), *SAMPLES):
        assert (compiled.error(document) is None) == authority.is_valid(document), document


def write(folder: Path, name: str, content: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_schemas_are_found_by_producer_event_and_version(tmp_path: Path) -> None:
    write(tmp_path, "tracker/task_created/1.json", json.dumps(ONE))
    write(tmp_path, "tracker/task_created/2.json", json.dumps(TWO))
    loaded = SchemaRegistry.load(tmp_path)
    assert loaded.schemas == {"tracker.task_created": {1: ONE, 2: TWO}}
    assert loaded.newest("tracker.task_created") == 2


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("tracker/task_created/one.json", "{}", "version"),
        ("tracker/task_created/1.json", "{", "not JSON"),
        ("tracker/task_created/1.json", '{"type": "nonsense"}', "no JSON Schema"),
    ],
)
def test_a_file_that_is_no_schema_is_named(tmp_path: Path, name: str, content: str, complaint: str) -> None:
    write(tmp_path, name, content)
    with pytest.raises(SchemaRegistryError, match=complaint):
        SchemaRegistry.load(tmp_path)


def test_a_folder_without_schemas_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SchemaRegistryError, match="no schema"):
        SchemaRegistry.load(tmp_path)
