"""The columns of a table, whose texts are written once."""

import re
from pathlib import Path

import pytest
from flask import Flask, render_template_string

from chassis.settings import REPOSITORY
from chassis.tables import columns
from tests.chassis_parts import People, demo_app, settings

TABLE = """
{% from "macros.html" import table with context %}
{% set column = columns(task="Task", who="Who" if everybody, fee=("Fee <$>", "number")) %}
{% call table("open", column) %}<tr>
  <td {{ column.task }}>a</td>{% if column.who %}<td {{ column.who }}>b</td>{% endif %}<td {{ column.fee }}>c</td>
</tr>{% endcall %}
"""


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return demo_app(settings(tmp_path), People())


def test_each_cell_says_which_column_it_is_in(app: Flask) -> None:
    with app.test_request_context():
        page = render_template_string(TABLE, everybody=False)
    assert '<th scope="col">Task</th><th scope="col" class="number">Fee &lt;$&gt;</th>' in page
    assert '<td data-label="Task">a</td>' in page
    assert '<td class="number" data-label="Fee &lt;$&gt;">c</td>' in page


def test_a_column_without_a_text_is_left_out(app: Flask) -> None:
    with app.test_request_context():
        assert "Who" not in render_template_string(TABLE, everybody=False)
        assert 'data-label="Who">b</td>' in render_template_string(TABLE, everybody=True)


def test_columns_keep_their_order() -> None:
    assert [column.text for column in columns(b="B", a="A", values=("Values", "number"))] == ["B", "A", "Values"]


def test_every_cell_of_every_page_names_its_column() -> None:
    pages = [page for page in REPOSITORY.glob("*/templates/**/*.html") if "<t" in page.read_text(encoding="utf-8")]
    assert pages
    nameless = {
        f"{page.relative_to(REPOSITORY)}: {cell}"
        for page in pages
        for cell in re.findall(r"<td\b(?! {{ column\.)[^>]*>", page.read_text(encoding="utf-8"))
    }
    assert not {cell for cell in nameless if not cell.startswith("tracker_service")}
