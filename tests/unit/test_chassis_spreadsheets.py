"""Lists as CSV: what a spreadsheet makes of them, and what a program."""

import csv
import io
from typing import Any

import pytest
from flask import Flask
from marshmallow import Schema, fields

from chassis.spreadsheets import csv_response


class OwnerSchema(Schema):
    name = fields.String()


class PerchSchema(Schema):
    title = fields.String()
    fee_cents = fields.Integer()
    owner = fields.Nested(OwnerSchema)


def written(*parts: list[Any], for_spreadsheet: bool = False) -> str:
    """The text of the file."""
    with Flask("perches").test_request_context():
        answer = csv_response(PerchSchema, parts, name="perches", for_spreadsheet=for_spreadsheet)
        assert answer.headers["Content-Disposition"] == 'attachment; filename="perches.csv"'
        assert answer.mimetype == "text/csv"
        return answer.get_data().decode()


def perch(title: str, fee_cents: int | None = -5, name: str = "Жако") -> dict[str, Any]:
    return {"title": title, "fee_cents": fee_cents, "owner": {"name": name}}


def test_an_empty_list_has_its_columns() -> None:
    assert written() == "title,fee_cents,owner_name\r\n"


def test_all_parts_are_in_one_table() -> None:
    text = written([perch("High"), perch("Low", None)], [perch("Other")])
    assert text.splitlines() == ["title,fee_cents,owner_name", "High,-5,Жако", "Low,,Жако", "Other,-5,Жако"]


@pytest.mark.parametrize("title", ['two\nlines, a comma and a "quote"', "птичка 🦜", " ", "a\tb"])
def test_a_text_comes_back_as_it_is(title: str) -> None:
    _, row = csv.reader(io.StringIO(written([perch(title)]), newline=""))
    assert row[0] == title


@pytest.mark.parametrize("title", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", '=HYPERLINK("http://x.example")'])
def test_no_text_becomes_a_formula(title: str) -> None:
    _, row = csv.reader(io.StringIO(written([perch(title)]), newline=""))
    assert row == [f"'{title}", "-5", "Жако"]


@pytest.mark.parametrize("separator", [";", ",", "\t", "\n", "; "])
def test_nor_does_a_part_of_a_text_where_a_spreadsheet_begins_a_new_cell(separator: str) -> None:
    _, row = csv.reader(io.StringIO(written([perch(f"Fly{separator}=1+1")]), newline=""))
    assert row[0] in (f"Fly{separator}'=1+1", f"Fly{separator.rstrip()}' =1+1")


def test_a_spreadsheet_is_told_that_it_is_utf_8_and_a_program_need_not_be() -> None:
    assert written(for_spreadsheet=True) == "\ufeff" + written()
