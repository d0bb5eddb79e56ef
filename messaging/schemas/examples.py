"""A valid example of every event, always the same one, for people who read about it and for tests."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from messaging.envelope import Event
from messaging.errors import SchemaRegistryError
from messaging.schemas.json_schema import Schema, as_object, types, validator
from messaging.schemas.registry import SchemaRegistry

_MOMENT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
_FORMATTED = {"date": "2026-11-21", "date-time": "2026-11-21T09:00:00Z"}
#: Which type is shown of several: the one that says most.
_PREFERENCE = ("object", "array", "string", "integer", "number", "boolean", "null")


@dataclass(frozen=True)
class Glossary:
    """Words about fields, for schemas that say too little: those that are published do not change any more."""

    #: Field name -> what it means, wherever its schema has no `description`.
    meanings: Mapping[str, str] = field(default_factory=dict)
    #: Field name, or `<event name>.<field>` for that event alone -> a value to show, wherever it is valid.
    examples: Mapping[str, Any] = field(default_factory=dict)
    #: Event name -> the field of its data that is the event's subject, too.
    subjects: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "Glossary":
        """Read `{"meanings": {}, "examples": {}, "subjects": {}}`. Raises SchemaRegistryError."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise SchemaRegistryError(f"{path}: no glossary: {error}") from error

    def of(self, name: str) -> "Glossary":
        """Return the glossary as it is for one event: its own examples come before those for all."""
        own = {
            key.removeprefix(f"{name}."): value for key, value in self.examples.items() if key.startswith(f"{name}.")
        }
        return replace(self, examples={**self.examples, **own})


def example_event(registry: SchemaRegistry, type: str, glossary: Glossary) -> Event:
    """Return a valid event of the type. Raises SchemaRegistryError if its schema is too much for this generator."""
    name, _, version = type.rpartition(".v")
    data = example(registry.schemas[name][int(version)], glossary.of(name))
    event_id = uuid5(NAMESPACE_OID, type)
    subject = str(data.get(glossary.subjects.get(name, ""), event_id))
    return Event(type=type, subject=subject, sequence=1, data=data, id=event_id, time=_MOMENT, correlation_id=event_id)


def example(schema: Schema | bool, glossary: Glossary, name: str = "") -> Any:
    """Return a value that the schema allows, with every field, optional ones too.

    It is the first that is valid of: the schema's own `examples`, the glossary's, one made up. Raises
    SchemaRegistryError if none is: then the schema needs `examples`.
    """
    rule = as_object(schema)
    allowed = validator(rule)
    for value in _candidates(rule, glossary, name):
        if allowed.is_valid(value):
            return value
    raise SchemaRegistryError(f"no example can be made up for {name or 'the data'!r}: give its schema `examples`")


def _candidates(rule: Schema, glossary: Glossary, name: str) -> Iterator[Any]:
    yield from rule.get("examples", ())
    if name in glossary.examples:
        yield glossary.examples[name]
    if "const" in rule:
        yield rule["const"]
    yield from rule.get("enum", ())
    allowed = types(rule)
    for kind in _PREFERENCE:
        if kind in allowed:
            yield from _made_up(kind, rule, glossary, name)


def _made_up(kind: str, rule: Schema, glossary: Glossary, name: str) -> Iterator[Any]:
    if kind == "object":
        yield {key: example(value, glossary, key) for key, value in rule.get("properties", {}).items()}
    elif kind == "array":
        item = example(rule.get("items", True), glossary, name)
        yield [item] * max(1, rule.get("minItems", 1))
        yield []
    elif kind == "string":
        yield _text(rule, name)
    elif kind in ("integer", "number"):
        step = rule.get("multipleOf", 1)
        bounds = [rule[key] for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum") if key in rule]
        yield from [step, *bounds, *(bound + step for bound in bounds), *(bound - step for bound in bounds), 0]
    elif kind == "boolean":
        yield True
    else:
        yield None


def _text(rule: Schema, name: str) -> str:
    if rule.get("format") == "uuid":
        return str(uuid5(NAMESPACE_OID, name))
    if rule.get("format") in _FORMATTED:
        return _FORMATTED[rule["format"]]
    word = name.replace("_", " ") or "text"
    return word.ljust(rule.get("minLength", 0), ".")[: rule.get("maxLength")]
