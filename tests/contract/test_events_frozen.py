"""The published schemas are frozen, their versions break nobody, and the commands say so."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy import schemas
from messaging.schemas.json_schema import as_object, fields, strange_keywords, validator
from messaging.schemas.lock import read_lock, unpublished


def test_every_published_schema_is_as_it_was_when_it_was_published() -> None:
    assert unpublished(schemas.FOLDER) == [], "python -m deploy.schemas lock"


def test_the_lock_is_sorted_and_complete() -> None:
    files = sorted(str(path.relative_to(schemas.FOLDER)) for path in schemas.FOLDER.glob("*/*/*.json"))
    assert list(read_lock(schemas.FOLDER)) == files


def run(command: str) -> tuple[int, str]:
    done = CliRunner().invoke(schemas.schemas, [command])
    return done.exit_code, done.output


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the schemas that the commands work on."""
    folder = tmp_path / "event_schemas"
    shutil.copytree(schemas.FOLDER, folder)
    monkeypatch.setattr(schemas, "FOLDER", folder)
    return folder


def test_the_check_is_content_with_what_is_published() -> None:
    code, output = run("check")
    assert code == 0, output


def test_a_changed_schema_is_refused(copy: Path) -> None:
    path = copy / "tracker/task_created/1.json"
    path.write_text(path.read_text().replace("10000", "9999"))
    for command in ("lock", "check"):
        code, output = run(command)
        assert code == 1
        assert "published and changed since: tracker/task_created/1.json" in output


def test_a_new_version_is_checked_locked_and_described(copy: Path) -> None:
    text = (copy / "tracker/task_created/2.json").read_text().replace("task_created.v2", "task_created.v3")
    (copy / "tracker/task_created/3.json").write_text(text)
    assert run("check") == (
        1,
        "Error: not frozen yet: tracker/task_created/3.json. Run `python -m deploy.schemas lock`.\n",
    )
    code, output = run("lock")
    assert code == 0
    assert output.startswith("locked tracker/task_created/3.json\n1 new, ")
    code, output = run("check")
    assert code == 1
    assert "not current: events.md, asyncapi.json. Run `python -m deploy.schemas catalogue`." in output


def test_a_breaking_version_is_reported_with_the_services_it_breaks(copy: Path) -> None:
    text = (copy / "billing/task_priced/1.json").read_text()
    (copy / "billing/task_priced/2.json").write_text(text.replace('"minimum": 1', '"minimum": 1000'))
    code, output = run("report")
    assert code == 1
    assert (
        "billing.task_priced v1 -> v2, backward: `fee_cents`: v1 may send a whole number of at least 1, v2 takes only "
        "a whole number of at least 1000. Breaks tracker (expecting v2) when a v1 event of billing comes late" in output
    )
    assert "2 of 3 findings break somebody" in output


@pytest.mark.parametrize("path", sorted(read_lock(schemas.FOLDER)))
def test_what_a_schema_says_can_be_judged_and_every_field_has_a_meaning(path: str) -> None:
    name, _, version = path.removesuffix(".json").rpartition("/")
    schema = schemas.registry().schemas[name.replace("/", ".")][int(version)]
    glossary = schemas.glossary()
    for field, rule, _ in fields(schema):
        own = as_object(rule)
        assert not strange_keywords(own), f"{field}: the compatibility report does not understand this"
        assert own.get("additionalProperties") is False or "properties" not in own, f"{field}: objects are closed"
        assert "default" not in own or validator(own).is_valid(own["default"]), f"{field}: the default does not fit"
        assert own.get("description") or field in glossary.meanings, f"{field}: nobody says what it means"


def test_the_glossary_has_no_words_about_fields_and_events_that_are_not_there() -> None:
    registry, glossary = schemas.registry(), schemas.glossary()
    known = {
        (name, field)
        for name, versions in registry.schemas.items()
        for one in versions.values()
        for field, *_ in fields(one)
    }
    names, words = {name for name, _ in known}, {field for _, field in known}
    keys = {tuple(key.rsplit(".", 1)) for key in glossary.examples if "." in key}
    assert keys <= known
    assert {key for key in glossary.examples if "." not in key} | glossary.meanings.keys() <= words
    assert glossary.subjects.keys() == names
    assert set(glossary.subjects.items()) <= known
