"""Cursors, and what a list's query string may say."""

import json
from base64 import b64decode, urlsafe_b64encode
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest
from marshmallow import Schema, ValidationError, fields

from chassis.cursors import decode_cursor, encode_cursor
from chassis.errors import Invalid
from chassis.paging import PageArgs, PageRequest, cursor_field, page_schema


def test_a_list_without_wishes_gives_its_first_fifty() -> None:
    assert PageArgs().load({})["page"] == PageRequest(50, None)


def test_filters_stand_beside_the_page() -> None:
    args = PageArgs.from_dict({"status": fields.String()})().load({"status": "open", "limit": "2", "cursor": "x"})
    assert args == {"status": "open", "page": PageRequest(2, "x", asked='{"status": "open"}')}


def test_what_a_cursor_of_another_list_says_is_no_filter() -> None:
    args = PageArgs.from_dict({"done": cursor_field()})
    assert args().load({"done": "x"})["page"].asked == args().load({})["page"].asked


@pytest.mark.parametrize("limit", ["0", "201", "many"])
def test_a_limit_has_limits(limit: str) -> None:
    with pytest.raises(ValidationError):
        PageArgs().load({"limit": limit})


def test_a_cursor_gives_back_what_it_was_made_of() -> None:
    values = [7, uuid4(), datetime(2026, 11, 21, 5, 4, 3, 2, tzinfo=UTC), date(2026, 11, 21), "жако"]
    assert decode_cursor(encode_cursor("birds", *values), "birds", *map(type, values)) == values


def forged(*values: object) -> str:
    """A cursor of our list that says what only a stranger says."""
    _, digest, _ = json.loads(b64decode(encode_cursor("birds", 1) + "=="))
    return raw(json.dumps([2, digest, *values]))


def raw(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "жако",
        "bm90IGpzb24",
        "W10",
        "WyIwMDAxLTAxLTAxIiwgMV0",
        raw("[" * 100_000),
        raw("[1, 1e400]"),
        raw("9" * 5000),
        encode_cursor("birds", 1, 2),
        encode_cursor("trees", 1),
    ],
)
def test_a_cursor_of_another_list_or_of_none_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid) as refusal:
        decode_cursor(cursor, "birds", int)
    assert refusal.value.errors is not None
    assert "cursor" in refusal.value.errors


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, "1"),
        (int, True),
        (int, 1.5),
        (int, 2**63),
        (int, [1]),
        (str, 1),
        (str, "a\0b"),
        (str, "\ud800"),
        (UUID, 1),
        (UUID, "nut"),
        (date, "0001-01-01"),
        (date, "9999-12-31"),
        (date, 1),
        (datetime, "9999-12-31T23:59:59-14:00"),
        (datetime, "0001-01-01T00:00:00+05:00"),
        (datetime, "2026-11-21T05:00:00"),
        (datetime, None),
    ],
)
def test_a_cursor_with_a_value_that_no_key_can_have_is_refused(kind: type, value: object) -> None:
    with pytest.raises(Invalid):
        decode_cursor(forged(value), "birds", kind)


def test_a_page_has_items_and_the_way_on() -> None:
    class BirdSchema(Schema):
        name = fields.String()

    page = page_schema(BirdSchema)().dump(
        {"items": [{"name": "Kesha", "age": 3}], "next_cursor": None, "prev_cursor": "x"}
    )
    assert page == {"items": [{"name": "Kesha"}], "next_cursor": None, "prev_cursor": "x"}
