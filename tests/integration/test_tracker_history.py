"""What happened to a task, and what its runs cost: from the tracker's records and billing's events."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from chassis.settings import Settings
from tests.integration.tracker_house import House
from tracker_service.models import Task


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    house = House(migrated("tracker", ATES_URL_AUTH="http://127.0.0.1:1"))
    yield house
    house.close()


def history(house: House, viewer: UUID, task_id: str, query: str = "") -> list[dict[str, Any]]:
    answer = house.api(viewer).get(f"/tasks/{task_id}/history{query}")
    assert answer.status_code == 200, answer.json
    return list(answer.json["items"])


def reassign(house: House, manager: UUID) -> UUID:
    run_id = UUID(house.api(manager).post("/reassignments").json["id"])
    list(house.work_through(run_id))
    return run_id


def test_a_task_remembers_everything_that_happened_to_it_with_its_people_and_its_money(house: House) -> None:
    kesha, manager = house.person(name="Kesha"), house.person("manager", name="Rio")
    task = house.api(kesha).create("Fly", jira_id="POPUG-1")
    (assigned,) = house.published("task_assigned")
    house.price(task["id"])
    house.post(kesha, "fee", -1500, task_id=task["id"], cause=assigned.id)
    house.api(manager).patch(f"/tasks/{task['id']}", {"title": "Fly home"})
    run_id = reassign(house, manager)
    house.api(kesha).post(f"/tasks/{task['id']}/complete")
    house.post(kesha, "reward", 3535, task_id=task["id"])
    items = history(house, manager, task["id"])
    told = [(item["kind"], item["by"] and item["by"]["name"], item["amount_cents"]) for item in items]
    assert told == [
        ("created", "Kesha", None),
        ("assigned", None, None),
        ("priced", None, 1500),
        ("charged", None, 1500),
        ("edited", "Rio", None),
        ("assigned", None, None),
        ("completed", "Kesha", None),
        ("paid", None, 3535),
    ]
    assert items[2]["reward_cents"] == 3535
    assert items[3]["assignee"] == items[1]["assignee"] == {"id": str(kesha), "name": "Kesha"}
    assert (items[4]["before"], items[4]["after"]) == ({"title": "Fly"}, {"title": "Fly home"})
    assert [item["reassignment_id"] for item in items if item["kind"] == "assigned"] == [None, str(run_id)]


def test_an_edit_that_changes_nothing_is_not_remembered(house: House) -> None:
    kesha = house.person()
    task = house.api(kesha).create("Fly")
    house.api(kesha).patch(f"/tasks/{task['id']}", {"title": "Fly", "description": ""})
    assert [item["kind"] for item in history(house, kesha, task["id"])] == ["created", "assigned"]


def test_a_long_history_comes_page_by_page(house: House) -> None:
    kesha = house.person()
    task = house.api(kesha).create("Fly")
    for number in range(5):
        house.api(kesha).patch(f"/tasks/{task['id']}", {"title": f"Fly {number}"})
    first = house.api(kesha).get(f"/tasks/{task['id']}/history?limit=4").json
    rest = history(house, kesha, task["id"], f"?limit=4&cursor={first['next_cursor']}")
    titles = [item["after"]["title"] for item in [*first["items"], *rest] if item["after"]]
    assert titles == [f"Fly {number}" for number in range(5)]


def test_the_history_of_no_task_is_not_found(house: House) -> None:
    assert house.api(house.person()).get(f"/tasks/{uuid4()}/history").status_code == 404


def test_money_of_other_tasks_and_a_movement_told_twice_change_nothing(house: House) -> None:
    kesha = house.person()
    task = house.api(kesha).create("Fly")
    house.post(kesha, "fee", -1200, task_id=uuid4())
    house.post(kesha, "payout", -100)
    house.post(kesha, "fee", -100)
    charge = house.post(kesha, "fee", -1500, task_id=task["id"])
    house.deliver(charge)
    charges = [item["amount_cents"] for item in history(house, kesha, task["id"]) if item["kind"] == "charged"]
    assert charges == [1500]


def test_a_run_adds_up_the_charges_that_it_caused_and_no_others(house: House) -> None:
    kesha, manager = house.person(), house.person("manager")
    tasks = [house.api(kesha).create(f"Fly {number}")["id"] for number in range(3)]
    at_creation = house.published("task_assigned")
    run_id = reassign(house, manager)
    caused = house.published("task_assigned")[3:]
    for task_id, event in zip(tasks, at_creation, strict=True):
        house.post(kesha, "fee", -1000, task_id=task_id, cause=event.id)
    assert (house.run(run_id).charged, house.run(run_id).cost_cents) == (0, 0)
    charges = [house.post(kesha, "fee", -1111, task_id=event.subject, cause=event.id) for event in caused]
    house.deliver(charges[0])
    assert (house.run(run_id).charged, house.run(run_id).cost_cents) == (3, 3333)


def test_prices_from_before_they_had_a_time_are_told_and_billing_may_tell_it_again(house: House) -> None:
    kesha = house.person()
    task = house.api(kesha).create("Fly")
    house.price(task["id"])
    with house.database.transaction() as session:
        session.execute(update(Task).values(priced_at=None))
    assert [item["kind"] for item in history(house, kesha, task["id"])] == ["created", "assigned", "priced"]
    house.price(task["id"])
    assert house.tasks()[0].priced_at is not None
