"""The schemas of all events: loaded once, validated with prebuilt validators, older versions lifted to the newest.

A schema lies at `<producer>/<event>/<version>.json` and describes the `data` of that version.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from messaging.envelope import Event
from messaging.errors import SchemaInvalid, SchemaRegistryError, UnknownType
from messaging.schemas.json_schema import CompiledValidator, Schema, as_object, filled, opened

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

#: Turns the data of one version into that of the next. It gets a copy.
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
#: For what a default cannot say: the type that is lifted, as `shop.item_sold.v1`, -> how.
UpcasterTable = Mapping[str, Upcaster]


class SchemaRegistry:
    """All versions of all events, by name: `{"shop.item_sold": {1: schema, 2: schema}}`."""

    def __init__(self, schemas: dict[str, dict[int, Schema]], *, upcasters: UpcasterTable | None = None) -> None:
        """Prepare a validator per version.

        Raises SchemaRegistryError for one that is no JSON Schema, and for an upcaster that has nothing to lift.
        """
        self.schemas = schemas
        self.upcasters = upcasters or {}
        self._newest = {name: max(versions) for name, versions in schemas.items()}
        self._validators = {
            f"{name}.v{version}": _validator(f"{name}.v{version}", schema)
            for name, versions in schemas.items()
            for version, schema in versions.items()
        }
        self._readers = {
            name: CompiledValidator(as_object(opened(versions[self._newest[name]])))
            for name, versions in schemas.items()
            if len(versions) > 1
        }
        self._refuse_idle_upcasters()

    @classmethod
    def load(cls, folder: Path, *, upcasters: UpcasterTable | None = None) -> Self:
        """Read every schema below the folder. Raises SchemaRegistryError naming the file at fault."""
        schemas: dict[str, dict[int, Schema]] = {}
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
        return cls(schemas, upcasters=upcasters)

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
        error = validator.error(event.data)
        if error is not None:
            raise SchemaInvalid(f"{event.type}: {_explain(error)}")

    def upcast(self, event: Event) -> Event:
        """Return the event in the newest version, lifted through each version between.

        Each step is the upcaster of the older version, if it has one; what is still missing then is filled with the
        `default`s of the newer schema. Fields that a newer version dropped are left where they are.
        Raises SchemaInvalid if what comes out does not fit the newest version: no handler ever sees that.
        """
        newest = self.newest(event.name)
        if event.version >= newest:
            return event
        data = event.data
        versions = sorted(version for version in self.schemas[event.name] if version >= event.version)
        for older, newer in pairwise(versions):
            data = filled(self.schemas[event.name][newer], self._explicitly(f"{event.name}.v{older}", data))
        error = self._readers[event.name].error(data)
        if error is not None:
            raise SchemaInvalid(f"{event.type}, lifted to v{newest}: {_explain(error)}")
        return event.as_version(newest, data)

    def _explicitly(self, type: str, data: dict[str, Any]) -> dict[str, Any]:
        upcaster = self.upcasters.get(type)
        if upcaster is None:
            return data
        try:
            return upcaster(deepcopy(data))
        except Exception as error:
            raise SchemaInvalid(f"{type} cannot be lifted: {error!r}") from error

    def _refuse_idle_upcasters(self) -> None:
        for type in self.upcasters:
            name, _, version = type.rpartition(".v")
            if type not in self._validators or int(version) == self._newest[name]:
                raise SchemaRegistryError(
                    f"the upcaster of {type!r} has nothing to lift: no such version, or the newest"
                )


def _validator(name: str, schema: Schema) -> CompiledValidator:
    try:
        return CompiledValidator(schema)
    except ValueError as error:
        raise SchemaRegistryError(f"{name}: no JSON Schema: {str(error).splitlines()[0]}") from error


def _explain(error: "ValidationError") -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    message = error.message if len(error.message) <= 300 else f"{error.message[:300]}..."
    return f"data.{where}: {message}" if where else f"data: {message}"
