"""Can a reader take everything that a writer may send? Answered from the two schemas, without data.

The reader is open (fields that it does not know are none of its business), the writer sends what its schema allows.
Whoever gets no gap may rely on it; a gap may be one that never happens (two rules that come to the same are compared
keyword by keyword), and then a person decides.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from messaging.schemas.json_schema import (
    Schema,
    as_object,
    filled,
    fills,
    in_words,
    is_anything,
    opened,
    strange_keywords,
    types,
    validator,
)


@dataclass(frozen=True)
class Gap:
    """Something that the writer may send and the reader does not take."""

    #: The field's path, "" for the data as a whole.
    field: str
    #: What the writer does: "may send null".
    sent: str
    #: What the reader does: "takes only text".
    taken: str


def gaps(writer: Schema | bool, reader: Schema | bool, *, fill: bool, field: str = "") -> Iterator[Gap]:
    """Yield what stands between writer and reader; nothing if every value of the one is read by the other.

    fill: the reader's defaults are filled in before it reads, as `SchemaRegistry.upcast` does.
    """
    if is_anything(reader):
        return
    sent, taken = as_object(writer), as_object(reader)
    strange = strange_keywords(sent) or strange_keywords(taken)
    if strange:
        if sent != taken or (fill and fills(taken)):
            yield Gap(field, "has other rules here", f"cannot be compared with it (`{strange[0]}`): judge yourself")
        return
    values = _finite(sent)
    if values is not None:
        yield from _values(values, taken, fill, field)
    elif "enum" in taken or "const" in taken:
        yield _gap(sent, taken, field)
    else:
        yield from _by_type(sent, taken, fill, field)


def _finite(schema: Schema) -> list[Any] | None:
    """Return all values that the schema allows, or None if they are too many to name."""
    if "const" in schema:
        values = [schema["const"]]
    elif "enum" in schema:
        values = schema["enum"]
    elif types(schema) <= {"null", "boolean"}:
        values = [None, False, True]
    else:
        return None
    allowed = validator(schema)
    return [value for value in values if allowed.is_valid(value)]


def _values(values: list[Any], taken: Schema, fill: bool, field: str) -> Iterator[Gap]:
    readable = validator(as_object(opened(taken)))
    refused = [value for value in values if not readable.is_valid(filled(taken, value) if fill else value)]
    if refused:
        yield Gap(field, f"may send {in_words({'enum': refused})}", f"takes only {in_words(taken)}")


def _by_type(sent: Schema, taken: Schema, fill: bool, field: str) -> Iterator[Gap]:
    sends, takes = types(sent), types(taken)
    both = {name for name in sends if name in takes or (name == "integer" and "number" in takes)}
    if sends - both:
        yield _gap({"type": sorted(sends - both)}, {"type": sorted(takes)}, field)
    if "string" in both:
        yield from _texts(sent, taken, field)
    if both & {"integer", "number"}:
        yield from _numbers(sent, taken, field)
    if "array" in both:
        yield from _lists(sent, taken, fill, field)
    if "object" in both:
        yield from _objects(sent, taken, fill, field)


def _texts(sent: Schema, taken: Schema, field: str) -> Iterator[Gap]:
    too_short = sent.get("minLength", 0) < taken.get("minLength", 0)
    too_long = _more(sent.get("maxLength"), taken.get("maxLength"))
    if too_short or too_long or any(rule in taken and sent.get(rule) != taken[rule] for rule in ("format", "pattern")):
        yield _gap(sent, taken, field)


def _numbers(sent: Schema, taken: Schema, field: str) -> Iterator[Gap]:
    low, sent_low = _lowest(taken), _lowest(sent)
    high, sent_high = _highest(taken), _highest(sent)
    too_low = low is not None and (sent_low is None or sent_low < low)
    too_high = high is not None and (sent_high is None or sent_high > high)
    between_steps = "multipleOf" in taken and sent.get("multipleOf") != taken["multipleOf"]
    if too_low or too_high or between_steps:
        yield _gap(sent, taken, field)


def _lists(sent: Schema, taken: Schema, fill: bool, field: str) -> Iterator[Gap]:
    items = taken.get("items", True)
    too_short = sent.get("minItems", 0) < taken.get("minItems", 0)
    too_long = _more(sent.get("maxItems"), taken.get("maxItems"))
    # What is filled in may make two items the same.
    repeats = taken.get("uniqueItems") and (not sent.get("uniqueItems") or (fill and fills(items)))
    if too_short or too_long or repeats:
        yield _gap(sent, taken, field)
    yield from gaps(sent.get("items", True), items, fill=fill, field=f"{field}[]")


def _objects(sent: Schema, taken: Schema, fill: bool, field: str) -> Iterator[Gap]:
    sends: Schema = sent.get("properties", {})
    always = set(sent.get("required", ()))
    closed = sent.get("additionalProperties") is False
    for name in taken.get("required", ()):
        if name not in always and not (fill and "default" in as_object(_rule(taken, name))):
            cure = " and has no default to fill in" if fill else ""
            yield Gap(_below(field, name), "need not send it", f"requires it{cure}")
    for name, rule in taken.get("properties", {}).items():
        place = _below(field, name)
        if fill and name not in always:
            yield from _default(as_object(rule), place)
        if name in sends:
            yield from gaps(sends[name], rule, fill=fill, field=place)
        elif not closed and not is_anything(rule):
            is_open = "is not closed and may send anything under this name"
            yield Gap(place, is_open, f"takes only {in_words(rule)}")


def _default(rule: Schema, field: str) -> Iterator[Gap]:
    if "default" in rule and not validator(as_object(opened(rule))).is_valid(rule["default"]):
        default = in_words({"const": rule["default"]})
        yield Gap(field, "may lack it", f"fills in {default}, but takes only {in_words(rule)}")


def _gap(sent: Schema, taken: Schema, field: str) -> Gap:
    return Gap(field, f"may send {in_words(sent)}", f"takes only {in_words(taken)}")


def _rule(schema: Schema, name: str) -> Schema | bool:
    rule: Schema | bool = schema.get("properties", {}).get(name, True)
    return rule


def _below(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def _more(sent: float | None, taken: float | None) -> bool:
    return taken is not None and (sent is None or sent > taken)


def _lowest(schema: Schema) -> tuple[float, bool] | None:
    """Return the lower bound, and whether the bound itself is excluded: comparable."""
    bounds = [(schema[key], excluded) for key, excluded in _LOW if key in schema]
    return max(bounds, default=None)


def _highest(schema: Schema) -> tuple[float, bool] | None:
    """Return the upper bound, and whether the bound itself is included: comparable."""
    bounds = [(schema[key], included) for key, included in _HIGH if key in schema]
    return min(bounds, default=None)


_LOW = (("minimum", False), ("exclusiveMinimum", True))
_HIGH = (("maximum", True), ("exclusiveMaximum", False))
