"""Cursors, and what a list's query string may say."""

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from marshmallow import Schema, ValidationError, fields

from chassis.errors import Invalid
from chassis.paging import PageArgs, PageRequest, decode_cursor, encode_cursor, page_schema


def test_a_list_without_wishes_gives_its_first_fifty() -> None:
    assert PageArgs().load({})["page"] == PageRequest(50, None)


def test_filters_stand_beside_the_page() -> None:
    args = PageArgs.from_dict({"status": fields.String()})().load({"status": "open", "limit": "2", "cursor": "x"})
    assert args == {"status": "open", "page": PageRequest(2, "x")}


@pytest.mark.parametrize("limit", ["0", "201", "many"])
def test_a_limit_has_limits(limit: str) -> None:
    with pytest.raises(ValidationError):
        PageArgs().load({"limit": limit})


def test_a_cursor_gives_back_what_it_was_made_of() -> None:
    values = [7, uuid4(), datetime(2026, 11, 21, 5, 4, 3, 2, tzinfo=UTC), date(2026, 11, 21), "жако"]
    assert decode_cursor(encode_cursor(*values), *map(type, values)) == values


@pytest.mark.parametrize(
    "cursor", ["", "!", "жако", "bm90IGpzb24", encode_cursor(1, 2), encode_cursor("parrot"), "W10"]
)
def test_a_cursor_of_another_list_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid) as refusal:
        decode_cursor(cursor, int)
    assert refusal.value.errors is not None
    assert "cursor" in refusal.value.errors


def test_a_page_has_items_and_the_way_on() -> None:
    class BirdSchema(Schema):
        name = fields.String()

    page = page_schema(BirdSchema)().dump({"items": [{"name": "Kesha", "age": 3}], "next_cursor": None})
    assert page == {"items": [{"name": "Kesha"}], "next_cursor": None}
