"""The catalogue of events as a page in Markdown: who sends, who listens, fields, an example, what changed when."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from messaging.schemas.compatibility import Finding, Subscriptions, compare, consumers_of
from messaging.schemas.examples import Glossary, example_event
from messaging.schemas.json_schema import ANNOTATIONS, Schema, as_object, fields, in_words
from messaging.schemas.registry import SchemaRegistry

_ENVELOPE = (
    ("specversion", "`1.0`"),
    ("id", "The event's UUID: consumers know by it what they have handled already"),
    ("source", "`/<producer>`"),
    ("type", "`<producer>.<event>.v<version>`, the routing key, too"),
    ("subject", "Public id of the aggregate that the event is about: order is kept within it"),
    ("time", "When the event was made, UTC"),
    ("datacontenttype", "`application/json`"),
    ("dataschema", "`urn:event:<type>`, the `$id` of the schema of `data`"),
    ("sequence", "The aggregate's version that the event made: 1, 2, 3, ..."),
    ("correlationid", "UUID of everything that one request set off"),
    ("causationid", "Id of the event whose handling made this one; absent when a person or the clock did"),
    ("traceparent", "W3C trace context, when there is one"),
    ("data", "The event's own fields, below"),
)


@dataclass(frozen=True)
class _Sources:
    registry: SchemaRegistry
    subscriptions: Subscriptions
    glossary: Glossary
    findings: list[Finding]

    def consumers(self, name: str) -> str:
        return ", ".join(consumers_of(name, self.subscriptions)) or "nobody"

    def title(self, name: str) -> str:
        return str(self.registry.schemas[name][self.registry.newest(name)].get("title", name))


def markdown(
    registry: SchemaRegistry, subscriptions: Subscriptions, glossary: Glossary, *, folder: str, command: str
) -> str:
    """Return the whole page. folder: where the schemas lie; command: what makes this page."""
    sources = _Sources(registry, subscriptions, glossary, compare(registry, subscriptions))
    names = sorted(registry.names())
    overview = [
        (_link(name), f"v{registry.newest(name)}", sources.consumers(name), sources.title(name)) for name in names
    ]
    lines = [
        "# Events",
        "",
        f"Made from `{folder}` by `{command}`: do not edit.",
        "",
        "Every event is a [CloudEvent 1.0](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md) in "
        "structured JSON (`application/cloudevents+json`).",
        "",
        *_table(("attribute", "meaning"), [(f"`{name}`", meaning) for name, meaning in _ENVELOPE]),
        "",
        "A producer sends nothing that the schema does not name; a consumer ignores what it does not know. A handler "
        "always gets the newest version: older ones are lifted on arrival.",
        "",
        *_table(("event", "newest", "consumed by", "meaning"), overview),
    ]
    for name in names:
        lines += ["", *_event(sources, name)]
    return "\n".join(lines) + "\n"


def _event(sources: _Sources, name: str) -> Iterator[str]:
    versions = sources.registry.schemas[name]
    numbers = sorted(versions)
    yield from (
        f"## {name}",
        "",
        f"{sources.title(name)}.",
        "",
        f"* Versions: {', '.join(f'v{version}' for version in reversed(numbers))}",
        f"* Produced by: {name.partition('.')[0]}",
        f"* Consumed by: {sources.consumers(name)}",
        f"* Subject: {_subject(sources.glossary, name)}",
        "",
        *_fields(versions[numbers[-1]], sources.glossary),
        "",
        *_example(sources, f"{name}.v{numbers[-1]}"),
    )
    for older, newer in pairwise(numbers):
        yield from _step(sources, name, older, newer)


def _subject(glossary: Glossary, name: str) -> str:
    return f"`{glossary.subjects[name]}`" if name in glossary.subjects else "not said"


def _example(sources: _Sources, type: str) -> Iterator[str]:
    event = json.loads(example_event(sources.registry, type, sources.glossary).to_bytes())
    yield from ("```json", *json.dumps(event, indent=2, ensure_ascii=False).splitlines(), "```")


def _step(sources: _Sources, name: str, older: int, newer: int) -> Iterator[str]:
    versions = sources.registry.schemas[name]
    yield from ("", f"### {name}: from v{older} to v{newer}", "", *_changes(versions[older], versions[newer]))
    if upcaster := sources.registry.upcasters.get(f"{name}.v{older}"):
        words = (upcaster.__doc__ or "it does not say how").partition("\n")[0]
        yield f"* Older events are lifted by an upcaster of their own: {words}"
    findings = [finding for finding in sources.findings if (finding.name, finding.older) == (name, older)]
    if findings:
        yield from ("", "What does not fit by itself:", "", *(f"* {finding}" for finding in findings))


def _fields(schema: Schema, glossary: Glossary) -> list[str]:
    rows = [
        (f"`{path}`", in_words(rule), "yes" if required else "no", meaning(path, rule, glossary))
        for path, rule, required in fields(schema)
    ]
    return _table(("field", "type", "required", "meaning"), rows)


def meaning(path: str, rule: Schema | bool, glossary: Glossary) -> str:
    """Return what the field means: its schema's own words, or the glossary's; "" if nobody says."""
    name = path.rpartition(".")[2].removesuffix("[]")
    return str(as_object(rule).get("description") or glossary.meanings.get(name, ""))


def _changes(older: Schema, newer: Schema) -> Iterator[str]:
    before = {path: (rule, required) for path, rule, required in fields(older)}
    now = {path: (rule, required) for path, rule, required in fields(newer)}
    for path in (path for path in now if path not in before):
        rule = as_object(now[path][0])
        fill = f", `{json.dumps(rule['default'])}` for older events" if "default" in rule else ""
        yield f"* `{path}` is new: {in_words(rule)}{fill}"
    for path in before:
        if path not in now:
            yield f"* `{path}` is gone"
        elif _rules(before[path][0]) != _rules(now[path][0]):
            yield f"* `{path}` was {in_words(before[path][0])}, is {in_words(now[path][0])}"
        elif before[path][1] != now[path][1]:
            yield f"* `{path}` was {_needed(before[path][1])}, is {_needed(now[path][1])}"


def _needed(required: bool) -> str:
    return "required" if required else "optional"


def _rules(rule: Schema | bool) -> Schema:
    return {key: value for key, value in as_object(rule).items() if key not in ANNOTATIONS}


def _link(name: str) -> str:
    return f"[`{name}`](#{name.replace('.', '')})"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [_row(head), _row(("---",) * len(head)), *map(_row, rows)]


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
