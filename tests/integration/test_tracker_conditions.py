"""Requests with conditions: If-Match says what a task has to be like, an Idempotency-Key that it is done once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from tests.integration.tracker_house import House


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("tracker"))
    yield house
    house.close()


def test_who_changes_a_task_that_somebody_has_changed_since_is_told_so(house: House) -> None:
    api = house.api(house.person())
    path = f"/tasks/{api.create('Fly')['id']}"
    seen = api.get(path).headers["ETag"]
    changed = api.patch(path, {"title": "Swim"}, If_Match=seen)
    assert (changed.status_code, changed.headers["ETag"]) == (200, api.get(path).headers["ETag"])
    late = api.patch(path, {"title": "Walk"}, If_Match=seen)
    assert (late.status_code, late.content_type) == (412, "application/problem+json")
    assert api.post(f"{path}/complete", If_Match=seen).status_code == 412
    assert api.get(path).json["title"] == "Swim"
    assert api.post(f"{path}/complete", If_Match=f'"x", {changed.headers["ETag"]}').status_code == 200


@pytest.mark.parametrize(("condition", "status"), [("*", 200), ('W/"2"', 412), ('"nut"', 412), ("nut", 412), ("", 200)])
def test_conditions_are_those_of_http(house: House, condition: str, status: int) -> None:
    api = house.api(house.person())
    path = f"/tasks/{api.create('Fly')['id']}"
    assert api.patch(path, {"title": "Swim"}, If_Match=condition).status_code == status


def test_what_would_be_refused_anyway_is_refused_for_that_reason(house: House) -> None:
    popug = house.person()
    path = f"/tasks/{house.api(popug).create('Fly')['id']}"
    stranger = house.api(house.person("manager"))
    assert stranger.post(f"{path}/complete", If_Match='"x"').status_code == 403
    house.api(popug).post(f"{path}/complete")
    assert house.api(popug).post(f"{path}/complete", If_Match='"x"').status_code == 409


def test_a_task_that_is_assigned_anew_is_another_version(house: House) -> None:
    api, manager = house.api(house.person()), house.api(house.person("manager"))
    path = f"/tasks/{api.create('Fly')['id']}"
    seen = api.get(path).headers["ETag"]
    run = UUID(manager.post("/reassignments").json["id"])
    assert list(house.work_through(run))
    assert api.get(path).headers["ETag"] != seen


def test_a_task_is_created_once_for_each_key_and_answered_as_at_first(house: House) -> None:
    api = house.api(house.person())
    first = api.post("/tasks", {"title": "Fly"}, Idempotency_Key="k")
    api.patch(f"/tasks/{first.json['id']}", {"title": "Swim"})
    again = api.post("/tasks", {"title": "Fly"}, Idempotency_Key="k")
    assert (again.status_code, again.data, again.headers["Location"]) == (201, first.data, first.headers["Location"])
    assert len(house.tasks()) == 1
    other = api.post("/tasks", {"title": "Sing"}, Idempotency_Key="k")
    assert (other.status_code, list(other.json["errors"])) == (422, ["Idempotency-Key"])


def test_a_run_is_started_once_for_each_key_and_a_key_is_of_one_kind_of_request(house: House) -> None:
    house.person()
    manager = house.api(house.person("manager"))
    first, again = (manager.post("/reassignments", Idempotency_Key="k") for _ in range(2))
    assert (again.status_code, again.data, again.headers["Location"]) == (202, first.data, first.headers["Location"])
    assert len(house.published("reassignment_requested")) == 1
    assert manager.post("/tasks", {"title": "Fly"}, Idempotency_Key="k").status_code == 422


def test_who_may_not_is_not_answered_by_an_old_key(house: House) -> None:
    house.person()
    manager = house.person("manager")
    house.api(manager).post("/reassignments", Idempotency_Key="k")
    house.hear_of(manager, role="popug", event="updated")
    assert house.api(manager).post("/reassignments", Idempotency_Key="k").status_code == 403


def test_copies_of_a_request_that_come_at_once_create_one_task(house: House) -> None:
    popug = house.person()

    def create(_: int) -> Any:
        return house.api(popug).post("/tasks", {"title": "Fly"}, Idempotency_Key="k")

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(create, range(6)))
    assert {(answer.status_code, answer.data) for answer in answers} == {(201, answers[0].data)}
    assert len(house.tasks()) == 1
