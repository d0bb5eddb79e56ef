"""The schemas of all events: loaded once, validated with prebuilt validators, older versions lifted to the newest.

A schema lies at `<producer>/<event>/<version>.json` and describes the `data` of that version.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError

from messaging.envelope import Event
from messaging.errors import SchemaInvalid, SchemaRegistryError, UnknownType

_FORMATS = ("date", "date-time", "uuid")


class SchemaRegistry:
    """All versions of all events, by name: `{"tracker.task_created": {1: schema, 2: schema}}`."""

    def __init__(self, schemas: dict[str, dict[int, dict[str, Any]]]) -> None:
        """Prepare a validator per version. Raises SchemaRegistryError for one that is no JSON Schema."""
        self.schemas = schemas
        self._newest = {name: max(versions) for name, versions in schemas.items()}
        formats = _format_checker()
        self._validators = {
            f"{name}.v{version}": _validator(f"{name}.v{version}", schema, formats)
            for name, versions in schemas.items()
            for version, schema in versions.items()
        }

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read every schema below the folder. Raises SchemaRegistryError naming the file at fault."""
        schemas: dict[str, dict[int, dict[str, Any]]] = {}
        for path in sorted(folder.glob("*/*/*.json")):
            producer, event, file_name = path.relative_to(folder).parts
            version = file_name.removesuffix(".json")
            if not version.isdigit():
                raise SchemaRegistryError(f"{path}: the file's name is the version, as in 1.json")
            try:
                schema = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise SchemaRegistryError(f"{path}: not JSON: {error}") from error
            schemas.setdefault(f"{producer}.{event}", {})[int(version)] = schema
        if not schemas:
            raise SchemaRegistryError(f"{folder}: no schema found there")
        return cls(schemas)

    def names(self) -> Iterable[str]:
        """Return the names of all events, without versions."""
        return self.schemas.keys()

    def newest(self, name: str) -> int:
        """Return the newest version of the event. Raises UnknownType."""
        try:
            return self._newest[name]
        except KeyError:
            raise UnknownType(f"no schema for {name!r}") from None

    def validate(self, event: Event) -> None:
        """Raise UnknownType for a type without a schema, SchemaInvalid naming the field that does not fit."""
        validator = self._validators.get(event.type)
        if validator is None:
            known = sorted(self.schemas.get(event.name, ()))
            raise UnknownType(f"no schema for {event.type!r}; versions known: {known or 'none'}")
        error = next(validator.iter_errors(event.data), None)
        if error is not None:
            raise SchemaInvalid(f"{event.type}: {_explain(error)}")

    def upcast(self, event: Event) -> Event:
        """Return the event in the newest version: what it lacks is filled with the `default` of each schema between."""
        newest = self.newest(event.name)
        if event.version >= newest:
            return event
        data = dict(event.data)
        for version in sorted(v for v in self.schemas[event.name] if v > event.version):
            for field, rule in self.schemas[event.name][version].get("properties", {}).items():
                if field not in data and "default" in rule:
                    data[field] = rule["default"]
        return event.as_version(newest, data)


def _format_checker() -> FormatChecker:
    checker = FormatChecker(_FORMATS)
    if "date-time" not in checker.checkers:
        # Without this package jsonschema takes any text for a time, and says nothing.
        raise SchemaRegistryError("the package rfc3339-validator is missing: times would not be checked")
    return checker


def _validator(name: str, schema: dict[str, Any], formats: FormatChecker) -> Any:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise SchemaRegistryError(f"{name}: no JSON Schema: {error.message}") from error
    return Draft202012Validator(schema, format_checker=formats)


def _explain(error: ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    message = error.message if len(error.message) <= 300 else f"{error.message[:300]}..."
    return f"data.{where}: {message}" if where else f"data: {message}"
