"""What a new version of an event breaks, and for whom: told from the schemas, before anybody publishes it.

backward: consumers that expect the newer version get older events, lifted by `SchemaRegistry.upcast`
forward: consumers that still expect the older version get newer events. They are open, so what is added harms nobody

"Consumers that still expect the older version" are those whose code does; the schema files of the newer version are
there before the first event of it is sent (schema, consumers, producers, in this order), or its type is unknown.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from messaging.schemas.gaps import Gap, gaps
from messaging.schemas.json_schema import Schema, fields
from messaging.schemas.registry import SchemaRegistry

#: Who listens to what: service -> names of events, without versions. A `HandlerTable` will do.
Subscriptions = Mapping[str, Collection[str]]


class Direction(StrEnum):
    """Whose reading is at stake."""

    BACKWARD = "backward"
    FORWARD = "forward"


@dataclass(frozen=True)
class Finding:
    """One thing about one field that two neighbouring versions do not agree upon."""

    name: str
    older: int
    newer: int
    direction: Direction
    #: The field's path, "" for the data as a whole.
    field: str
    #: What the one sends and the other takes.
    difference: str
    #: Who breaks, and when.
    harm: str
    #: Why it may stay, or "" if it may not.
    settled: str

    def __str__(self) -> str:
        """Return the finding as sentences for a person."""
        where = f"`{self.field}`" if self.field else "the data"
        fate = f" Settled: {self.settled}." if self.settled else ""
        step = f"{self.name} v{self.older} -> v{self.newer}"
        return f"{step}, {self.direction}: {where}: {self.difference}. {self.harm}.{fate}"


def compare(registry: SchemaRegistry, subscriptions: Subscriptions) -> list[Finding]:
    """Return what does not fit between neighbouring versions of every event, by name and version.

    No unsettled finding backward means: data of any older version, lifted, fits the newest one.
    No unsettled finding forward means: data of a version fits the one before it.
    A finding is settled by an explicit upcaster (backward), or by the newer schema itself: `"x-breaking": "why"`.
    """
    return [
        finding
        for name in sorted(registry.names())
        for older, newer in pairwise(sorted(registry.schemas[name]))
        for finding in _compare_step(registry, name, older, newer, consumers_of(name, subscriptions))
    ]


def consumers_of(name: str, subscriptions: Subscriptions) -> list[str]:
    """Return the services that listen to the event."""
    return [service for service, names in subscriptions.items() if name in names]


def _compare_step(
    registry: SchemaRegistry, name: str, older: int, newer: int, consumers: list[str]
) -> Iterator[Finding]:
    versions = registry.schemas[name]
    accepted = versions[newer].get("x-breaking", "")
    accepted = f"accepted, {accepted}" if accepted else ""
    lifted = "an explicit upcaster lifts it" if f"{name}.v{older}" in registry.upcasters else ""
    who, producer = _list(consumers), name.partition(".")[0]

    def finding(direction: Direction, gap: Gap, writer: int, reader: int) -> Finding:
        difference = f"v{writer} {gap.sent}, v{reader} {gap.taken}"
        if direction == Direction.BACKWARD:
            harm = f"Breaks {who} (expecting v{newer}) when a v{older} event of {producer} comes late or is replayed"
        else:
            harm = f"Breaks {who} (still expecting v{older}) once {producer} sends v{newer}"
        settled = (lifted if direction == Direction.BACKWARD else "") or accepted
        return Finding(name, older, newer, direction, gap.field, difference, harm, settled)

    for gap in gaps(versions[older], versions[newer], fill=True):
        yield finding(Direction.BACKWARD, gap, older, newer)
    for gap in _come_back(versions, older, newer):
        yield finding(Direction.BACKWARD, gap, older, newer)
    for gap in gaps(versions[newer], versions[older], fill=False):
        yield finding(Direction.FORWARD, gap, newer, older)


def _come_back(versions: Mapping[int, Schema], older: int, newer: int) -> Iterator[Gap]:
    """A dropped name is still in old events: lifted over two versions, its old value would pass for the new one."""
    before, now = _paths(versions[older]), _paths(versions[newer])
    for version in sorted(version for version in versions if version < older):
        for path in sorted((now - before) & _paths(versions[version])):
            yield Gap(path, "dropped it", f"takes it for the one of v{version}: choose another name")


def _paths(schema: Schema) -> set[str]:
    return {path for path, _, _ in fields(schema)}


def _list(names: list[str]) -> str:
    if not names:
        return "nobody today, but any consumer"
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
