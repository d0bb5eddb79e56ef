"""Examples made up from schemas, and the page and the document that are made of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from messaging import Event, SchemaRegistry
from messaging.errors import SchemaRegistryError
from messaging.schemas import Glossary, example, example_event
from messaging.schemas.asyncapi import document
from messaging.schemas.catalogue import markdown
from messaging.schemas.json_schema import Schema, validator
from tests.unit.schema_strategies import object_schemas

SOLD = "shop.item_sold"
ONE: Schema = {
    "title": "An item was sold",
    "type": "object",
    "additionalProperties": False,
    "required": ["item_id", "colour"],
    "properties": {
        "item_id": {"type": "string", "format": "uuid", "description": "The item"},
        "colour": {"type": "string", "pattern": "^(red|green)$"},
        "note": {"type": ["string", "null"], "maxLength": 3, "default": None},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 7}}}},
    },
}
TWO: Schema = {
    **ONE,
    "required": ["item_id", "colour", "price_cents"],
    "properties": {
        **{name: rule for name, rule in ONE["properties"].items() if name != "note"},
        "colour": {"enum": ["red", "green"]},
        "price_cents": {"type": "integer", "default": 0},
    },
}
GLOSSARY = Glossary(
    meanings={"colour": "What it looks like | roughly"},
    examples={"colour": "green", "price_cents": "not valid here", "shop.item_sold.n": 9, "n": 8},
    subjects={SOLD: "item_id"},
)


def paint(data: dict[str, Any]) -> dict[str, Any]:
    """Everything was red then.

    Not shown.
    """
    return {**data, "colour": "red"}


REGISTRY = SchemaRegistry({SOLD: {1: ONE, 2: TWO}}, upcasters={f"{SOLD}.v1": paint})


def test_an_example_is_valid_complete_and_always_the_same() -> None:
    event = example_event(REGISTRY, f"{SOLD}.v1", GLOSSARY)
    REGISTRY.validate(event)
    assert event.data["colour"] == "green"
    assert event.data["note"] == "not"
    assert event.data["lines"] == [{"n": 9}]
    assert event.subject == event.data["item_id"]
    assert event == example_event(REGISTRY, f"{SOLD}.v1", GLOSSARY)
    assert Event.from_bytes(event.to_bytes()) == event


def test_a_schema_that_is_too_much_is_told_to_bring_examples() -> None:
    rule: Schema = {"type": "string", "pattern": "^[0-9]{4}$"}
    with pytest.raises(SchemaRegistryError, match=r"'year'.*`examples`"):
        example(rule, Glossary(), "year")
    assert example({**rule, "examples": ["19", "1984"]}, Glossary(), "year") == "1984"


@given(object_schemas())
def test_whatever_is_made_up_is_valid(schema: Schema) -> None:
    try:
        made = example(schema, Glossary())
    except SchemaRegistryError:
        return  # it has to be said in the schema
    assert validator(schema).is_valid(made)


def test_a_glossary_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for text in ("{", '{"words": {}}'):
        (tmp_path / "glossary.json").write_text(text)
        with pytest.raises(SchemaRegistryError, match=r"glossary\.json: no glossary"):
            Glossary.load(tmp_path / "glossary.json")


@pytest.mark.parametrize(
    "line",
    [
        "| [`shop.item_sold`](#shopitem_sold) | v2 | till | An item was sold |",
        "* Versions: v2, v1",
        "* Produced by: shop",
        "* Consumed by: till",
        "* Subject: `item_id`",
        "| `item_id` | a UUID | yes | The item |",
        "| `colour` | one of `red`, `green` | yes | What it looks like \\| roughly |",
        "| `lines[].n` | a whole number of at least 7 | no |  |",
        "### shop.item_sold: from v1 to v2",
        "* `price_cents` is new: a whole number, `0` for older events",
        "* `note` is gone",
        "* `colour` was text that matches `^(red|green)$`, is one of `red`, `green`",
        "* Older events are lifted by an upcaster of their own: Everything was red then.",
        '    "price_cents": 1',
    ],
)
def test_the_page_tells(line: str) -> None:
    page = markdown(REGISTRY, {"till": {SOLD}}, GLOSSARY, folder="schemas", command="make page")
    assert line in page.splitlines()


def test_the_document_has_a_channel_for_each_version_and_an_operation_for_who_uses_it() -> None:
    made = document(REGISTRY, {"till": {SOLD}}, GLOSSARY, info={"title": "Shop", "version": "1"}, servers={})
    assert list(made["channels"]) == [f"{SOLD}.v1", f"{SOLD}.v2"]
    assert list(made["operations"]) == [f"shop.send.{SOLD}.v2", f"till.receive.{SOLD}.v1", f"till.receive.{SOLD}.v2"]
    assert json.loads(json.dumps(made)) == made
