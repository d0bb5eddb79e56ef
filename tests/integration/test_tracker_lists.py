"""Lists of tasks by REST: what is in them, in which order, and what is refused."""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from messaging import Event
from tests.business_clock import BusinessClock
from tests.integration.tracker_house import Api, House


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("tracker"))
    yield house
    house.close()


def titles(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.json
    return [task["title"] for task in answer.json["items"]]


def price(house: House, task_id: str, fee: int, reward: int) -> None:
    data = {"task_id": task_id, "fee_cents": fee, "reward_cents": reward, "priced_at": "2026-11-21T09:00:00Z"}
    house.deliver(Event.new("billing.task_priced.v1", subject=task_id, sequence=1, data=data))


def test_everybody_lists_what_they_have_to_do_and_what_they_have_created(house: House) -> None:
    author, worker = house.person("manager", "Vera"), house.person(name="Kesha")
    house.api(author).create("Fly")
    own = house.api(worker).create("Sing")
    assert titles(house.api(worker).get("/tasks")) == ["Sing", "Fly"]
    assert titles(house.api(worker).get("/tasks?scope=mine")) == ["Sing", "Fly"]
    assert titles(house.api(worker).get("/tasks?scope=created")) == ["Sing"]
    assert titles(house.api(worker).get(f"/tasks?author={author}")) == ["Fly"]
    assert titles(house.api(author).get("/tasks?scope=created")) == ["Fly"]
    assert titles(house.api(author).get("/tasks")) == []
    assert own["author"] == {"id": str(worker), "name": "Kesha"}


def test_all_tasks_are_for_managers_and_administrators(house: House) -> None:
    house.api(house.person()).create()
    for role, status in (("popug", 403), ("boss", 403), ("accountant", 403), ("manager", 200), ("admin", 200)):
        assert house.api(house.person(role)).get("/tasks?scope=all").status_code == status


def test_a_filter_that_contradicts_its_scope_is_refused(house: House) -> None:
    me = house.person()
    api = house.api(me)
    for query, field in ((f"scope=mine&assignee={uuid4()}", "assignee"), (f"scope=created&author={uuid4()}", "author")):
        refused = api.get(f"/tasks?{query}")
        assert (refused.status_code, list(refused.json["errors"])) == (422, [field])
    assert api.get(f"/tasks?scope=mine&assignee={me}").status_code == 200
    assert api.get("/tasks?scope=created&author=me&assignee=me").status_code == 200


def test_filters_narrow_the_list_together_and_statuses_are_counted(house: House) -> None:
    api = house.api(house.person())
    fly, sing = api.create("Fly", jira_id="POPUG-1"), api.create("Sing", jira_id="POPUG-10")
    api.create("Fly again")
    api.post(f"/tasks/{fly['id']}/complete")
    assert titles(api.get("/tasks?status=done")) == ["Fly"]
    assert titles(api.get("/tasks?q=fly")) == ["Fly again", "Fly"]
    assert titles(api.get("/tasks?q=fly&status=open")) == ["Fly again"]
    assert titles(api.get("/tasks?jira_id=popug-1")) == ["Fly"]
    assert titles(api.get("/tasks?q=popug-1")) == ["Sing", "Fly"]
    assert titles(api.get(f"/tasks?ids={sing['id']}&status=done")) == []
    for query, expected in (("", (2, 1)), ("q=fly", (1, 1)), ("status=done", (2, 1)), ("jira_id=POPUG-10", (1, 0))):
        counts = api.get(f"/tasks?{query}").json["counts"]
        assert counts == {"open": expected[0], "done": expected[1], "at_least": False}


@pytest.mark.parametrize(
    ("looked_for", "title"),
    [
        ("ПОПУГ", "попугай летит"),
        ("50%", "Sing at 50% of the price"),
        ("_", "snake_case"),
        ("\\", "back\\slash"),
        ("'; DROP TABLE tasks; --", "Say '; drop table tasks; -- aloud"),
        ("🦜", "Feed the 🦜"),
        ("é", "É"),
        ("x", "x"),
    ],
)
def test_words_are_found_as_they_are_written(house: House, looked_for: str, title: str) -> None:
    api = house.api(house.person())
    for other in ("50 of them", "snake case", "anything else"):
        api.create(other)
    api.create(title)
    assert titles(api.get(f"/tasks?q={quote(looked_for)}")) == [title]


def test_words_are_found_in_the_description_and_as_they_are_now(house: House) -> None:
    api = house.api(house.person())
    task = api.create("Fly", description="By night,\nto the lighthouse")
    assert titles(api.get("/tasks?q=LIGHTHOUSE")) == ["Fly"]
    api.patch(f"/tasks/{task['id']}", {"title": "Swim", "description": ""})
    assert titles(api.get("/tasks?q=lighthouse")) == titles(api.get("/tasks?q=fly")) == []
    assert titles(api.get("/tasks?q=swim")) == ["Swim"]


def test_days_are_those_of_the_company(house: House) -> None:
    midnight = datetime(2026, 11, 21, tzinfo=house.settings.business_timezone)
    clock = BusinessClock(house.settings, house.database, midnight)
    for title, moment in (
        ("The day before", midnight - timedelta(seconds=1)),
        ("The day", midnight),
        ("The day after", midnight + timedelta(days=1)),
    ):
        clock.set(moment)
        house.api(house.person("popug")).create(title)
    day, after = midnight.date(), midnight.date() + timedelta(days=1)
    boss = house.api(house.person("admin"))
    assert titles(boss.get(f"/tasks?scope=all&from={day}&to={day}")) == ["The day"]
    assert titles(boss.get(f"/tasks?scope=all&from={after}")) == ["The day after"]
    assert titles(boss.get(f"/tasks?scope=all&to={day}&sort=created")) == ["The day before", "The day"]


def test_tasks_are_sorted_by_what_a_list_shows_of_them(house: House) -> None:
    api = house.api(house.person())
    made = [api.create(title)["id"] for title in ("b", "c", "a", "d")]
    for task_id, fee, reward in ((made[0], 1500, 2000), (made[1], 1200, 3000), (made[2], 1900, 2500)):
        price(house, task_id, fee, reward)
    for task_id in (made[2], made[0]):
        api.post(f"/tasks/{task_id}/complete")
    for sort, expected in (
        ("created", "bcad"),
        ("title", "abcd"),
        ("fee", "dcba"),
        ("reward", "dbac"),
        ("completed", "abcd"),
    ):
        assert "".join(titles(api.get(f"/tasks?sort={sort}"))) == expected
        assert "".join(titles(api.get(f"/tasks?sort=-{sort}"))) == expected[::-1]
        pages = [api.get(f"/tasks?sort={sort}&limit=2").json]
        pages.append(api.get(f"/tasks?sort={sort}&limit=2&cursor={pages[0]['next_cursor']}").json)
        assert "".join(task["title"] for page in pages for task in page["items"]) == expected
        back = api.get(f"/tasks?sort={sort}&limit=2&cursor={pages[1]['prev_cursor']}").json
        assert back["items"] == pages[0]["items"]


@pytest.mark.parametrize("letter", ["a", "ж", "🦜", "\\", '"'])
def test_the_longest_titles_lead_to_the_next_page(house: House, letter: str) -> None:
    api = house.api(house.person())
    for _ in range(2):
        api.create(letter * 200)
    first = api.get("/tasks?sort=title&limit=1").json
    assert titles(api.get(f"/tasks?sort=title&limit=1&cursor={first['next_cursor']}")) == [letter * 200]


def test_a_cursor_counts_for_its_own_filters_and_order(house: House) -> None:
    api = house.api(house.person())
    for number in range(3):
        api.create(f"Fly {number}")
    cursor = api.get("/tasks?q=fly&sort=title&limit=1").json["next_cursor"]
    assert api.get(f"/tasks?q=fly&sort=title&cursor={cursor}").status_code == 200
    for other in ("q=fly", "q=fly&sort=-title", "q=Fly&sort=title", "sort=title", "q=fly&sort=title&status=open"):
        refused = api.get(f"/tasks?{other}&cursor={cursor}")
        assert (refused.status_code, list(refused.json["errors"])) == (422, ["cursor"])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("q=" + "a" * 10_000, "q"),
        ("jira_id=" + "a" * 10_000, "jira_id"),
        ("q=a%00b", "q"),
        ("jira_id=%00", "jira_id"),
        ("assignee=somebody", "assignee"),
        ("author=%00", "author"),
        ("status=%00", "status"),
        ("status=birdie", "status"),
        ("scope=yours", "scope"),
        ("sort=id", "sort"),
        ("sort=created;drop", "sort"),
        ("from=0001-01-01", "from"),
        ("from=2026-13-01", "from"),
        ("to=yesterday", "to"),
        ("to=9999-12-31", "to"),
        ("from=2026-11-02&to=2026-11-01", "to"),
        ("ids=1", "ids"),
        ("limit=1000", "limit"),
        ("cursor=%00", "cursor"),
        ("cursor=" + "a" * 10_000, "cursor"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_field_named(house: House, query: str, field: str) -> None:
    refused = house.api(house.person("admin")).get(f"/tasks?{query}")
    assert refused.status_code == 422
    assert [name.partition(".")[0] for name in refused.json["errors"]] == [field]


@pytest.mark.parametrize("query", ["q=", "q=%20%20", "jira_id=", "q=%25", "q=" + "%F0%9F%A6%9C" * 100])
def test_an_odd_search_finds_what_there_is(house: House, query: str) -> None:
    api = house.api(house.person())
    api.create("Fly at 100%")
    assert len(titles(api.get(f"/tasks?{query}"))) == (0 if "F0" in query else 1)


def rows(api: Api, path: str) -> list[dict[str, str]]:
    answer = api.get(path, Accept="text/csv")
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    return list(csv.DictReader(io.StringIO(answer.get_data().decode(), newline="")))


def test_a_list_is_a_table_for_who_accepts_that(house: House) -> None:
    me = house.person(name="Кеша")
    api = house.api(me)
    for number in range(60):
        api.create(f"=Fly {number}", description="two\nlines")
    price(house, api.get("/tasks").json["items"][0]["id"], 1500, 3535)
    table = rows(api, "/tasks?q=fly")
    assert [row["title"] for row in table] == [f"'=Fly {number}" for number in range(59, -1, -1)]
    assert (table[0]["assignee_name"], table[0]["author_id"]) == ("Кеша", str(me))
    assert (table[0]["fee_cents"], table[0]["reward_cents"], table[1]["fee_cents"]) == ("1500", "3535", "")
    assert len(rows(api, "/tasks?q=fly&limit=7")) == 7
    assert rows(api, "/tasks?q=nothing") == []
    assert api.get("/tasks?sort=id", Accept="text/csv").status_code == 422
    assert api.get("/tasks?scope=all", Accept="text/csv").status_code == 403


def test_a_long_table_comes_whole(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.lists._ROWS", 7)
    api = house.api(house.person())
    made = [api.create(f"Fly {number}")["id"] for number in range(23)]
    assert [row["id"] for row in rows(api, "/tasks?sort=created")] == made


def test_a_search_with_very_many_results_counts_only_so_far(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracker_service.queries.lists.MOST_COUNTED", 3)
    api = house.api(house.person())
    for number in range(4):
        api.create(f"Fly {number}")
    assert api.get("/tasks?q=fly&limit=2").json["counts"] == {"open": 3, "done": 0, "at_least": True}
    assert api.get("/tasks?q=fly").json["counts"] == {"open": 4, "done": 0, "at_least": False}
    assert api.get("/tasks").json["counts"] == {"open": 4, "done": 0, "at_least": False}


def test_the_author_may_be_somebody_of_whom_nobody_has_told_yet(house: House) -> None:
    house.person()
    stranger = uuid4()
    house.roles[stranger] = "admin"
    assert house.api(stranger).create()["author"] is None
    assert UUID(house.api(stranger).get("/tasks?scope=created").json["items"][0]["created_by"]) == stranger
