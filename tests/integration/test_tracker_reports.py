"""What those who may reassign see of it: before the button what it would do, then its progress, then its report."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from chassis.settings import Settings
from tests.integration.tracker_house import House


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    house = House(migrated("tracker", ATES_URL_AUTH="http://127.0.0.1:1"))
    yield house
    house.close()


def press(house: House, manager: UUID) -> UUID:
    return UUID(house.api(manager).post("/reassignments").json["id"])


def charge(house: House, run_id: UUID, count: int, cents: int = 1500) -> None:
    """Let billing charge so many of a run's assignments."""
    caused = [e for e in house.published("task_assigned") if e.data["reassignment_id"] == str(run_id)]
    for event in caused[:count]:
        house.post(UUID(event.data["assignee_id"]), "fee", -cents, task_id=event.subject, cause=event.id)


def preview(house: House, viewer: UUID) -> dict[str, Any]:
    answer = house.api(viewer).get("/reassignments/preview")
    assert answer.status_code == 200, answer.json
    return dict(answer.json)


def test_the_preview_counts_open_tasks_and_people_and_takes_the_average_for_tasks_without_a_price(house: House) -> None:
    popug, manager = house.person(), house.person("manager")
    house.person("accountant")
    assert preview(house, manager)["estimated_fee_cents"] == 0
    tasks = [house.api(popug).create()["id"] for _ in range(5)]
    expected = {"tasks": 5, "people": 2, "estimated_fee_cents": None, "would_wait": False}
    assert preview(house, manager) == expected
    house.price(tasks[0], fee_cents=1000)
    house.price(tasks[1], fee_cents=1501)
    house.price(tasks[2], fee_cents=2000)
    mine = {str(task.public_id): task.assignee_id for task in house.tasks()}
    house.api(mine[tasks[2]]).post(f"/tasks/{tasks[2]}/complete")
    assert preview(house, manager) == {**expected, "tasks": 4, "estimated_fee_cents": 5002}
    press(house, manager)
    assert preview(house, manager)["would_wait"]


def test_the_list_of_runs_is_newest_first_and_says_who_pressed_and_what_billing_has_charged(house: House) -> None:
    blocked, manager = house.person(), house.person("manager", name="Rio")
    for _ in range(3):
        house.api(blocked).create()
    pressed = press(house, manager)
    list(house.work_through(pressed))
    charge(house, pressed, 2)
    house.person()
    house.hear_of(blocked, status="blocked", event="blocked")
    stranger = uuid4()
    house.roles[stranger] = "admin"
    house.hear_of(stranger, role="admin", name="Zoe")
    first = house.api(manager).get("/reassignments?limit=1").json
    rest = house.api(manager).get(f"/reassignments?cursor={first['next_cursor']}").json
    (by_block,), (by_hand,) = first["items"], rest["items"]
    assert (by_block["requested_by"], by_block["status"]) == (None, "running")
    assert by_hand["id"] == str(pressed)
    assert by_hand["requested_by"] == {"id": str(manager), "name": "Rio"}
    assert (by_hand["total"], by_hand["done"], by_hand["charged"], by_hand["cost_cents"]) == (3, 3, 2, 3000)
    assert house.api(manager).get(f"/reassignments/{pressed}").json == by_hand


def test_the_report_says_from_whom_to_whom_each_task_went_page_by_page(house: House) -> None:
    old, manager = house.person(name="Kesha"), house.person("manager")
    tasks = [house.api(old).create(f"Task {number}")["id"] for number in range(3)]
    house.price(tasks[0], fee_cents=1234)
    new = house.person(name="Rio")
    house.hear_of(old, role="manager", event="updated", name="Kesha")
    first_run, second_run = press(house, manager), press(house, manager)
    list(house.work_through(first_run))
    list(house.work_through(second_run))
    first = house.api(manager).get(f"/reassignments/{first_run}/assignments?limit=2").json
    cursor = first["next_cursor"]
    rest = house.api(manager).get(f"/reassignments/{first_run}/assignments?limit=2&cursor={cursor}").json
    kesha, rio = {"id": str(old), "name": "Kesha"}, {"id": str(new), "name": "Rio"}
    items = first["items"] + rest["items"]
    assert [(item["task_id"], item["before"], item["after"]) for item in items] == [(t, kesha, rio) for t in tasks]
    assert [item["fee_cents"] for item in items] == [1234, None, None]
    later = house.api(manager).get(f"/reassignments/{second_run}/assignments").json["items"]
    assert [(item["before"], item["after"]) for item in later] == [(rio, rio)] * 3


def test_who_had_a_task_is_left_open_where_it_is_not_known_any_more(house: House) -> None:
    house.api(house.person()).create()
    manager = house.person("manager")
    with house.database.transaction() as session:
        session.execute(text("DELETE FROM assignments"))
    run_id = press(house, manager)
    list(house.work_through(run_id))
    (item,) = house.api(manager).get(f"/reassignments/{run_id}/assignments").json["items"]
    assert item["before"] is None
    assert "—" in house.browser(manager).get(f"/reassignments/{run_id}").text


@pytest.mark.parametrize("path", ["", "/preview", "/{run}", "/{run}/assignments"])
def test_reports_are_for_managers_and_admins(house: House, path: str) -> None:
    run = press(house, house.person("manager"))
    statuses = {
        role: house.api(house.person(role)).get(f"/reassignments{path.format(run=run)}").status_code
        for role in ("popug", "boss", "accountant", "manager", "admin")
    }
    assert statuses == {"popug": 403, "boss": 403, "accountant": 403, "manager": 200, "admin": 200}


def test_the_report_of_no_run_is_not_found(house: House) -> None:
    assert house.api(house.person("admin")).get(f"/reassignments/{uuid4()}/assignments").status_code == 404


def test_the_way_from_the_list_over_the_preview_and_the_progress_to_the_report(house: House) -> None:
    popug = house.person(name="Kesha")
    task = house.api(popug).create("Fly <home>")["id"]
    house.price(task, fee_cents=1234)
    browser = house.browser(house.person("manager", name="Rio"))
    assert 'href="/reassignments/new"' in browser.get("/").text
    assert "No reassignments yet" in browser.get("/reassignments").text
    page = browser.get("/reassignments/new").text
    assert "$12.34" in page
    assert 'action="/reassignments"' in page
    key = re.search(r'name="key" value="([^"]+)"', page)
    assert key
    answers = [browser.post("/reassignments", data={"key": key[1]}, follow_redirects=True) for _ in range(2)]
    assert answers[0].request.path == answers[1].request.path  # a double click is one run
    answer = answers[0]
    assert "0 of 1 open tasks" in answer.text
    assert f'data-live="{answer.request.path}' in answer.text
    assert 'http-equiv="refresh"' in answer.text

    run_id = UUID(answer.request.path.rsplit("/", 1)[1])
    list(house.work_through(run_id))
    finished = browser.get(answer.request.path).text
    assert "1 of 1 open tasks" in finished
    assert "0 of 1 charged so far" in finished
    assert "Fly &lt;home&gt;" in finished
    assert "Rio" in finished
    charge(house, run_id, 1, cents=1234)
    charged = browser.get(answer.request.path).text
    assert "charged so far" not in charged
    assert "$12.34" in charged
    assert "refresh" not in charged
    assert "$12.34" in browser.get("/reassignments").text


def test_the_page_of_a_run_whose_charges_do_not_come_stops_asking_for_them(house: House) -> None:
    house.api(house.person()).create()
    manager = house.person("manager")
    run_id = press(house, manager)
    list(house.work_through(run_id))
    assert "refresh" in house.browser(manager).get(f"/reassignments/{run_id}").text
    with house.database.transaction() as session:
        session.execute(text("UPDATE reassignments SET finished_at = finished_at - interval '11 minutes'"))
    page = house.browser(manager).get(f"/reassignments/{run_id}").text
    assert "0 of 1 charged so far" in page
    assert "refresh" not in page


def test_the_page_of_a_run_is_the_same_until_something_happens_to_the_run(house: House) -> None:
    house.api(house.person()).create()
    manager = house.person("manager")
    run_id = press(house, manager)
    browser = house.browser(manager)

    def changes(what: Callable[[], object]) -> bool:
        known = browser.get(f"/reassignments/{run_id}").headers["ETag"]
        what()
        return browser.get(f"/reassignments/{run_id}", headers={"If-None-Match": known}).status_code == 200

    assert not changes(lambda: None)
    assert changes(lambda: list(house.work_through(run_id)))
    assert changes(lambda: charge(house, run_id, 1, cents=1234))


def test_the_page_of_a_run_says_that_it_waits_and_the_preview_that_it_would(house: House) -> None:
    house.api(house.person()).create()
    manager = house.person("manager")
    press(house, manager)
    browser = house.browser(manager)
    assert "A reassignment is running" in browser.get("/reassignments/new").text
    assert "It waits for the reassignment before it." in browser.get(f"/reassignments/{press(house, manager)}").text


@pytest.mark.parametrize(("people", "tasks"), [(0, 0), (0, 1), (1, 0)])
def test_without_tasks_or_people_there_is_no_button(house: House, people: int, tasks: int) -> None:
    popug = house.person()
    for _ in range(tasks):
        house.api(popug).create()
    if not people:
        house.hear_of(popug, role="manager", event="updated")
    page = house.browser(house.person("manager")).get("/reassignments/new").text
    assert 'action="/reassignments"' not in page


@pytest.mark.parametrize("path", ["/reassignments", "/reassignments/new"])
def test_the_pages_are_for_managers_and_admins(house: House, path: str) -> None:
    assert house.browser(house.person()).get(path).status_code == 403
    assert house.browser(house.person()).post("/reassignments").status_code == 403
    assert house.browser(house.person("admin")).get(path).status_code == 200
