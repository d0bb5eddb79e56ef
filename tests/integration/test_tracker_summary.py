"""The numbers of the tracker that stand on everybody's first page."""

from collections.abc import Callable, Iterator

import pytest

from chassis.settings import Settings
from tests.integration.tracker_house import House


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    house = House(migrated("tracker", ATES_URL_AUTH="http://127.0.0.1:1"))
    yield house
    house.close()


def test_a_worker_is_told_how_many_open_tasks_there_are_to_do(house: House) -> None:
    kesha = house.person()
    tasks = [house.api(kesha).create() for _ in range(3)]
    house.api(kesha).post(f"/tasks/{tasks[0]['id']}/complete")
    assert house.api(kesha).get("/summary").json == {"own_open_tasks": 2}


@pytest.mark.parametrize("role", ["manager", "admin"])
def test_who_may_reassign_is_told_of_all_tasks_and_of_the_latest_run(house: House, role: str) -> None:
    kesha, overseer = house.person(), house.person(role)
    house.api(kesha).create()
    before = house.api(overseer).get("/summary").json
    assert before == {"own_open_tasks": 0, "open_tasks": 1, "latest_reassignment": None}
    run = house.api(overseer).post("/reassignments").json
    assert house.api(overseer).get("/summary").json["latest_reassignment"]["id"] == run["id"]
