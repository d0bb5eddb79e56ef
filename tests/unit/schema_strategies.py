"""Schemas, neighbouring versions of them, and data that fits them, for hypothesis."""

from typing import Any

from hypothesis import strategies as st

from messaging.schemas.json_schema import types, validator

Schema = dict[str, Any]

NAMES = ("a", "b")
PATTERNS = ("^[^\\[\\]]*$", "^[ab]+$", "b")
words = st.text(st.sampled_from("ab[-é"), max_size=4)
moments = st.sampled_from(["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.5+03:00"])
formatted = {"uuid": st.uuids().map(str), "date": st.dates().map(str), "date-time": moments}
numbers = st.integers(-4, 4)
scalars = st.sampled_from([None, True, False, 0, 1, 2, "a", "b", "ab"])


_SCALARS = [None, True, False, *range(-5, 6), 0.5, -1.5, 2.0, "", "a", "b", "[", "ab", "bab", "ab[b", "aaaaa"]
_FORMATTED = ["2026-01-02", "2026-01-02T03:04:05Z", "11111111-2222-3333-4444-555555555555"]
_PARTS = [None, 0, 1, "a", "ab"]
#: Data of all sorts, small enough to be tried with every schema.
SAMPLES: list[Any] = [
    *_SCALARS,
    *_FORMATTED,
    *([one, two][:size] for one in _PARTS for two in _PARTS for size in (0, 1, 2)),
    *([one] * 4 for one in _PARTS),
    [0, 1, 2],
    *({name: value for name, value in (("a", one), ("b", two)) if value != "ab"} for one in _PARTS for two in _PARTS),
]


def _some(rules: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Schema]:
    """Some of these keywords; few at a time, so that some data fits."""
    keywords = st.sets(st.sampled_from(sorted(rules)), min_size=1, max_size=2)
    return keywords.flatmap(lambda chosen: st.fixed_dictionaries({name: rules[name] for name in sorted(chosen)}))


text_rules = _some(
    {"minLength": st.integers(0, 2), "maxLength": st.integers(1, 4), "pattern": st.sampled_from(PATTERNS)}
)
number_rules = _some(
    {
        "minimum": numbers,
        "maximum": numbers,
        "exclusiveMinimum": numbers,
        "exclusiveMaximum": numbers,
        "multipleOf": st.sampled_from([1, 2, 3]),
    }
)
LIST_RULES = {"minItems": st.integers(0, 2), "maxItems": st.integers(1, 3), "uniqueItems": st.just(True)}
formats = st.sampled_from(sorted(formatted)).map(lambda name: {"format": name})
scalar_types = st.sampled_from(
    ["string", "integer", "number", "boolean", "null", ["string", "null"], ["integer", "null"], ["number", "string"]]
)


@st.composite
def scalar_schemas(draw: st.DrawFn) -> Schema:
    """A rule for one value."""
    if draw(st.integers(0, 3)) == 0:
        values = draw(st.lists(scalars, min_size=1, max_size=3, unique_by=repr))
        return {"enum": values} if len(values) > 1 else {"const": values[0]}
    rule: Schema = {"type": draw(scalar_types)}
    if "string" in types(rule):
        rule |= draw(text_rules | formats)
    if types(rule) & {"integer", "number"}:
        rule |= draw(number_rules)
    return rule


def text_schemas() -> st.SearchStrategy[Schema]:
    """A rule for a text."""
    return (text_rules | text_rules | formats).map(lambda rules: {"type": "string", **rules})


def number_schemas() -> st.SearchStrategy[Schema]:
    """A rule for a number, whole or not."""
    kinds = st.sampled_from(["integer", "number"])
    return st.builds(lambda kind, rules: {"type": kind, **rules}, kinds, number_rules)


@st.composite
def list_schemas(draw: st.DrawFn, depth: int) -> Schema:
    """A rule for a list."""
    return {"type": "array", "items": draw(schemas(depth - 1)), **draw(_some(LIST_RULES))}


@st.composite
def object_schemas(draw: st.DrawFn, depth: int = 2) -> Schema:
    """A rule for an object; seldom an open one."""
    names = draw(st.sets(st.sampled_from(NAMES)))
    properties = {name: draw(property_schemas(depth)) for name in sorted(names)}
    return _object(properties, draw(st.sets(st.sampled_from(NAMES))) & names, closed=draw(st.integers(0, 5)) > 0)


def _object(properties: dict[str, Schema], required: set[str], *, closed: bool) -> Schema:
    rule: Schema = {"type": "object", "properties": properties, "required": sorted(required)}
    return rule | ({"additionalProperties": False} if closed else {})


@st.composite
def property_schemas(draw: st.DrawFn, depth: int) -> Schema:
    """A field's rule, with a default more often than not; the default may be wrong."""
    rule = draw(schemas(depth - 1))
    kind = draw(st.integers(0, 4))
    if kind < 3:
        return rule | {"default": draw(values(rule))}
    return rule | {"default": draw(scalars)} if kind == 3 else rule


def schemas(depth: int) -> st.SearchStrategy[Schema]:
    """Any rule."""
    if depth <= 0:
        return scalar_schemas()
    return st.one_of(scalar_schemas(), scalar_schemas(), list_schemas(depth), object_schemas(depth))


@st.composite
def next_versions(draw: st.DrawFn, older: Schema, depth: int = 2) -> Schema:
    """A rule like the older one, with a change here and there."""
    change = draw(st.sampled_from(["none", "all", "less", "more", "more"]))
    if older.get("type") == "object":
        return draw(_next_objects(older, depth))
    if change == "none" or (change != "all" and "type" not in older):
        return older
    if change == "all":
        return draw(schemas(max(depth, 0)))
    newer = dict(older)
    if older["type"] == "array":
        newer["items"] = draw(next_versions(older["items"], depth - 1))
        return newer | draw(_some(LIST_RULES))
    if change == "less":
        for name in draw(st.sets(st.sampled_from(sorted(older)), max_size=1)) - {"type"}:
            del newer[name]
    elif "string" in types(older):
        newer |= draw(text_rules | formats)
    elif types(older) & {"integer", "number"}:
        newer |= draw(number_rules)
    return newer


@st.composite
def _next_objects(draw: st.DrawFn, older: Schema, depth: int) -> Schema:
    properties = dict(older["properties"])
    required = set(older["required"])
    for name in draw(st.sets(st.sampled_from(NAMES), max_size=2)):
        if name not in properties:
            properties[name] = draw(property_schemas(depth))
        elif draw(st.booleans()):
            properties[name] = draw(next_versions(properties[name], depth - 1))
        else:
            del properties[name]
        required ^= {name} if draw(st.booleans()) else set()
    return _object(properties, required & properties.keys(), closed="additionalProperties" in older)


def values(schema: Schema) -> st.SearchStrategy[Any]:
    """Data that fits the schema."""
    return _likely(schema).filter(validator(schema).is_valid)


def _likely(schema: Schema) -> st.SearchStrategy[Any]:
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return st.one_of([_likely_of(name, schema) for name in sorted(types(schema))])


def _likely_of(name: str, schema: Schema) -> st.SearchStrategy[Any]:
    match name:
        case "string":
            return formatted.get(schema.get("format", ""), words)
        case "integer":
            return numbers | numbers.map(float)
        case "number":
            return numbers | numbers.map(lambda number: number / 2)
        case "boolean":
            return st.booleans()
        case "array":
            most = schema.get("maxItems", 3)
            return st.lists(_likely(schema["items"]), min_size=min(schema.get("minItems", 0), most), max_size=most)
        case "object":
            return _likely_objects(schema)
        case _:
            return st.none()


@st.composite
def _likely_objects(draw: st.DrawFn, schema: Schema) -> Any:
    found = {
        name: draw(_likely(rule))
        for name, rule in schema["properties"].items()
        if name in schema["required"] or draw(st.booleans())
    }
    if "additionalProperties" not in schema:
        found |= {name: draw(scalars) for name in draw(st.sets(st.sampled_from(NAMES))) - schema["properties"].keys()}
    return found
