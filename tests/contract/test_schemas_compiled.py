"""The compiled validator passes nothing that jsonschema, the authority, would refuse; and it passes what is sent."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.settings import REPOSITORY
from messaging import SchemaRegistry
from messaging.schemas import Glossary, example
from messaging.schemas.json_schema import CompiledValidator, as_object, opened, validator

REGISTRY = SchemaRegistry.load(REPOSITORY / "event_schemas")
SCHEMAS = {
    f"{name}.v{version}": schema for name, versions in REGISTRY.schemas.items() for version, schema in versions.items()
}

#: Values at the edges of our formats and types, where two validators could see things differently.
EDGES: list[Any] = [
    *["0000-01-01", "2026-02-29", "2024-02-29", "20260102", "2026-W01-1", "2026-01-02\n", "٢026-01-02"],
    *["2026-01-02T23:59:60Z", "0000-01-01T00:00:00Z", "2026-01-02t03:04:05z", "2026-01-02T03:04:05+24:00"],
    *["2026-01-02T24:00:00Z", "2026-01-02T03:04:05,5Z", "2026-01-02 03:04:05Z", "9999-12-31T23:59:59.999999999-14:00"],
    *["11111111-2222-3333-4444-555555555555", "{11111111-2222-3333-4444-555555555555}", "1" * 32],
    *["٢1111111-2222-3333-4444-555555555555", "AAAAAAAA-2222-3333-4444-555555555555", "urn:uuid:" + "1" * 32],
    *["", "\0", "\ud800", "a\n", "[", "]", "e\u0301" * 100, "🦜" * 200, "🦜" * 201],
    *[0, -0.0, 1.0, 1.5, True, False, None, 2**63, -(2**63) - 1, 10**40, 1e308, float("inf"), float("nan")],
    *[[], {}, [1], {"a": None}],
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
GLOSSARY = Glossary.load(REPOSITORY / "event_schemas" / "glossary.json")
#: Producers follow a schema to the letter, consumers read it opened: each with its compiled and its slow validator.
READINGS = {
    (type, reading): (CompiledValidator(rule), validator(rule))
    for type, schema in SCHEMAS.items()
    for reading, rule in (("closed", schema), ("open", as_object(opened(schema))))
}


def good(type: str) -> Any:
    return example(SCHEMAS[type], GLOSSARY)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[tuple[str, str], Any]:
    """A reading of a schema, and a document that nearly fits it."""
    type, reading = draw(st.sampled_from(sorted(READINGS)))
    document = deepcopy(good(type))
    names = sorted(document)
    for name in draw(st.lists(st.sampled_from(names or ["more"]), max_size=3)):
        match draw(st.integers(0, 3)):
            case 0:
                document.pop(name, None)
            case 1:
                document[draw(st.text(max_size=5))] = draw(json_values)
            case _:
                document[name] = draw(st.sampled_from(EDGES) | json_values)
    return (type, reading), document


@pytest.mark.slow
@given(mutated())
@settings(max_examples=3000)
def test_a_compiled_validator_passes_just_what_jsonschema_passes(found: tuple[tuple[str, str], Any]) -> None:
    compiled, authority = READINGS[found[0]]
    assert (compiled.error(found[1]) is None) == authority.is_valid(found[1])


@pytest.mark.parametrize("type", sorted(SCHEMAS))
def test_every_edge_in_every_field_is_judged_as_jsonschema_does(type: str) -> None:
    compiled, authority = READINGS[type, "closed"]
    for name in good(type):
        for edge in EDGES:
            document = good(type) | {name: edge}
            assert (compiled.error(document) is None) == authority.is_valid(document), (name, edge)


@pytest.mark.parametrize("type", sorted(SCHEMAS))
def test_a_good_event_does_not_need_the_slow_authority(type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = CompiledValidator(SCHEMAS[type])
    monkeypatch.setattr(compiled, "_authority", None)
    assert compiled.error(good(type)) is None
