"""The schema registry: what fits passes, what does not is named, older versions are lifted."""

import json
from pathlib import Path
from typing import Any

import pytest

from messaging import Event, SchemaInvalid, SchemaRegistry, UnknownType
from messaging.errors import SchemaRegistryError

ONE: dict[str, Any] = {
    "type": "object",
    "required": ["title"],
    "additionalProperties": False,
    "properties": {"title": {"type": "string"}, "at": {"type": "string", "format": "date-time"}},
}
TWO = {**ONE, "properties": {**ONE["properties"], "jira_id": {"type": ["string", "null"], "default": None}}}
THREE = {**TWO, "properties": {**TWO["properties"], "weight": {"type": "integer", "default": 7}}}


def registry(*versions: dict[str, Any]) -> SchemaRegistry:
    return SchemaRegistry({"tracker.task_created": dict(enumerate(versions, start=1))})


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
