"""The generated descriptions of the events are current, and the AsyncAPI document is what it claims to be."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from chassis.settings import EXCHANGE
from deploy import schemas
from deploy.settings import REPOSITORY
from deploy.subscriptions import subscriptions
from messaging import SchemaRegistry
from messaging.schemas import example_event

OFFICIAL = Path(__file__).parent / "vendor" / "asyncapi" / "3.0.0.json"
DOCUMENT: dict[str, Any] = json.loads((REPOSITORY / "docs" / "asyncapi.json").read_text())
REGISTRY: SchemaRegistry = schemas.registry()
TYPES = [f"{name}.v{version}" for name, versions in REGISTRY.schemas.items() for version in versions]


@pytest.mark.parametrize("path", schemas.documents(), ids=lambda path: path.name)
def test_a_generated_file_is_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == schemas.documents()[path], "python -m deploy.schemas catalogue"


def test_the_official_schema_accepts_the_document() -> None:
    official = Draft7Validator(json.loads(OFFICIAL.read_text()))
    assert [error.message for error in official.iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize(
    ("place", "damage"),
    [
        ((), {"channel": {}}),
        (("channels", "tracker.task_created.v2"), {"adress": "?"}),
        (("channels", "tracker.task_created.v2", "bindings", "amqp"), {"is": "pipe"}),
        (("operations", "tracker.send.tracker.task_created.v2"), {"action": "shout"}),
        (("components", "messages", "tracker.task_created.v2"), {"payload": {"type": "nonsense"}}),
    ],
)
def test_the_official_schema_looks_closely(place: tuple[str, ...], damage: dict[str, Any]) -> None:
    broken = json.loads(json.dumps(DOCUMENT))
    target = broken
    for key in place:
        target = target[key]
    target.update(damage)
    assert not Draft7Validator(json.loads(OFFICIAL.read_text())).is_valid(broken)


def references(found: object) -> set[str]:
    """Every `$ref` in the document."""
    if isinstance(found, list):
        return set().union(*map(references, found))
    if not isinstance(found, dict):
        return set()
    own = {found["$ref"]} if isinstance(found.get("$ref"), str) else set()
    return own.union(*map(references, found.values()))


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        target = DOCUMENT
        for key in reference.removeprefix("#/").split("/"):
            target = target[key]


def test_channels_are_the_routing_keys_of_the_exchange() -> None:
    assert sorted(DOCUMENT["channels"]) == sorted(TYPES)
    for type, channel in DOCUMENT["channels"].items():
        assert channel["address"] == type
        assert channel["bindings"]["amqp"]["exchange"]["name"] == EXCHANGE


def test_every_service_sends_its_own_newest_and_receives_every_version_of_its_subscription() -> None:
    wanted = {f"{name.split('.')[0]}.send.{name}.v{REGISTRY.newest(name)}" for name in REGISTRY.names()}
    for service, handlers in subscriptions().items():
        wanted |= {f"{service}.receive.{type}" for type in TYPES if type.rpartition(".v")[0] in handlers}
    assert set(DOCUMENT["operations"]) == wanted


@pytest.mark.parametrize("type", TYPES)
def test_what_is_on_the_wire_is_what_the_document_says(type: str) -> None:
    event = example_event(REGISTRY, type, schemas.glossary())
    payload = payload_validator(type)
    payload.validate(json.loads(event.to_bytes()))
    spoilings: list[dict[str, Any]] = [{"source": "/nobody"}, {"sequence": 0}, {"data": {}}]
    for spoilt in spoilings:
        assert not payload.is_valid(json.loads(event.to_bytes()) | spoilt)


def payload_validator(type: str) -> Any:
    whole = Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
    reference = {"$ref": f"urn:asyncapi#/components/messages/{type}/payload"}
    return Draft202012Validator(reference, registry=Registry().with_resource("urn:asyncapi", whole))
