"""The pages "All tasks" and "Created by me": filters in the address, sorting, pages, and the same list as CSV."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from tests.integration.tracker_house import House


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("tracker"))
    yield house
    house.close()


@pytest.fixture
def vera(house: House) -> UUID:
    """A manager."""
    return house.person("manager", "Vera")


def titles(page: str) -> list[str]:
    return re.findall(r'<a href="/tasks/[0-9a-f-]{36}"><bdi>(.*?)</bdi>', page)


def link(page: str, text: str) -> str:
    """The address to which the link with this text leads."""
    found = re.search(rf'<a href="([^"]*)"[^>]*>{text}', page)
    assert found, f"there is no link {text!r}"
    return found[1].replace("&amp;", "&")


def open_page(browser: FlaskClient, path: str, status: int = 200) -> str:
    answer = browser.get(path)
    assert answer.status_code == status
    return answer.text


def test_everybody_sees_what_they_have_created_and_only_some_see_all(house: House, vera: UUID) -> None:
    kesha = house.person(name="Kesha")
    house.api(kesha).create("Fly")
    house.api(vera).create("Sing")
    assert titles(open_page(house.browser(kesha), "/created")) == ["Fly"]
    assert titles(open_page(house.browser(vera), "/created")) == ["Sing"]
    assert titles(open_page(house.browser(vera), "/tasks")) == ["Sing", "Fly"]
    open_page(house.browser(kesha), "/tasks", 403)
    open_page(house.browser(kesha), "/tasks.csv", 403)
    assert "/reassignments/new" in open_page(house.browser(vera), "/tasks")
    assert "/reassignments/new" not in open_page(house.browser(vera), "/created")


def test_a_filter_stands_in_the_address_and_can_be_cleared(house: House, vera: UUID) -> None:
    house.person(name="Kesha")
    for title in ("Fly", "Sing"):
        house.api(vera).create(title)
    browser = house.browser(vera)
    page = open_page(browser, "/tasks?q=fly&assignee=kesh&author=vera&from=&to=&jira_id=")
    assert titles(page) == ["Fly"]
    assert 'value="fly"' in page
    assert link(page, "Clear the filter") == "/tasks"
    assert titles(open_page(browser, f"/tasks?assignee={vera}")) == []
    nothing = open_page(browser, "/tasks?q=swim")
    assert "Nothing matches" in nothing
    assert "Nothing matches" not in open_page(house.browser(house.person()), "/created")


def test_statuses_are_counted_and_lead_to_their_tasks(house: House, vera: UUID) -> None:
    kesha = house.person(name="Kesha")
    done = house.api(vera).create("Fly")
    house.api(kesha).post(f"/tasks/{done['id']}/complete")
    house.api(vera).create("Sing")
    browser = house.browser(vera)
    page = open_page(browser, "/tasks")
    assert re.findall(r'class="number">(\d+)</span></a>', page) == ["2", "1", "1"]
    assert titles(open_page(browser, link(page, "millet in a bowl"))) == ["Fly"]
    assert titles(open_page(browser, link(page, "birdie in a cage"))) == ["Sing"]


def test_the_head_of_a_column_sorts_by_it_and_says_so(house: House, vera: UUID) -> None:
    house.person()
    for title in ("b", "c", "a"):
        house.api(vera).create(title)
    browser = house.browser(vera)
    page = open_page(browser, "/tasks?q=")
    assert re.findall(r'aria-sort="(\w+)"', page) == ["descending"]  # newest first
    page = open_page(browser, link(page, "Task</a>"))
    assert (titles(page), re.findall(r'aria-sort="(\w+)"', page)) == (["a", "b", "c"], ["ascending"])
    page = open_page(browser, link(page, "Task</a>"))
    assert (titles(page), re.findall(r'aria-sort="(\w+)"', page)) == (["c", "b", "a"], ["descending"])


def test_the_pages_of_a_list_lead_to_each_other(house: House, vera: UUID) -> None:
    house.person()
    for number in range(5):
        house.api(vera).create(f"Fly {number}")
    browser = house.browser(vera)
    first = open_page(browser, "/tasks?limit=2&sort=title")
    second = open_page(browser, link(first, "Next page"))
    assert titles(second) == ["Fly 2", "Fly 3"]
    assert titles(open_page(browser, link(second, "Previous page"))) == ["Fly 0", "Fly 1"]
    third = open_page(browser, link(second, "Next page"))
    assert "Next page" not in third
    assert titles(open_page(browser, link(third, "To the first page"))) == ["Fly 0", "Fly 1"]


def test_the_file_has_the_tasks_of_the_filter(house: House, vera: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.lists._ROWS", 2)
    house.person(name="Кеша")
    for number in range(5):
        house.api(vera).create(f"Fly {number}")
    house.api(vera).create("Sing")
    browser = house.browser(vera)
    page = open_page(browser, "/tasks?q=fly&sort=title&limit=2")
    answer = browser.get(link(page, "Download as CSV"))
    head, *lines = answer.get_data().decode().splitlines()
    assert head.startswith("\ufeffid,title,")
    assert [line.split(",")[1] for line in lines] == [f"Fly {number}" for number in range(5)]
    assert answer.headers["Content-Disposition"] == 'attachment; filename="tasks.csv"'


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-11-02&to=2026-11-01", "to"),
        ("from=yesterday", "from"),
        ("q=a%00b", "q"),
        ("assignee=" + "a" * 10_000, "assignee"),
        ("author=%00", "author"),
    ],
)
def test_a_field_that_makes_no_sense_is_told_beside_it(house: House, vera: UUID, query: str, field: str) -> None:
    page = open_page(house.browser(vera), f"/tasks?{query}", 422)
    assert f'id="{field}-error"' in page
    assert f'aria-describedby="{field}-error"' in page


@pytest.mark.parametrize("query", ["cursor=%00", "cursor=W10", "status=birdie", "sort=id", "limit=0"])
def test_what_no_field_is_for_is_told_above_the_list(house: House, vera: UUID, query: str) -> None:
    assert 'role="alert"' in open_page(house.browser(vera), f"/tasks?{query}", 422)


def test_words_of_others_are_no_html(house: House, vera: UUID) -> None:
    house.person(name="<b>Kesha</b>")
    house.api(vera).create("<script>alert(1)</script>")
    page = open_page(house.browser(vera), "/tasks?q=%3Cscript%3E")
    assert "<script>alert" not in page
    assert "<b>Kesha" not in page


def test_a_name_that_too_many_have_is_refused_at_its_filter_and_not_cut_off(house: House, vera: UUID) -> None:
    with house.database.transaction() as session:
        session.execute(
            text(
                "INSERT INTO users (user_id, name, email, role, status, sequence) "
                "SELECT gen_random_uuid(), 'Popug ' || n, 'popug@x.example', 'popug', 'active', 1 "
                "FROM generate_series(1, 201) n"
            )
        )
    page = open_page(house.browser(vera), "/tasks?assignee=popug", status=422)
    assert "Too many parrots have this in their name." in page
    assert "Too many" not in open_page(house.browser(vera), "/tasks?assignee=popug+20")
