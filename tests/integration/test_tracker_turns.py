"""Runs over all open tasks happen one after the other, each whole, and the next one always gets its turn."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from chassis.settings import Settings
from messaging import Event
from tests.integration.tracker_house import House
from tracker_service.jobs import look_after_reassignments

TASKS = 3


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    house = House(migrated("tracker", ATES_URL_AUTH="http://127.0.0.1:1"))
    yield house
    house.close()


def press(house: House, manager: UUID) -> UUID:
    return UUID(house.api(manager).post("/reassignments").json["id"])


def shown(house: House, viewer: UUID, run_id: UUID) -> dict[str, Any]:
    return dict(house.api(viewer).get(f"/reassignments/{run_id}").json)


def standing(house: House, viewer: UUID, run_ids: list[UUID]) -> list[tuple[str, bool]]:
    return [(run["status"], run["waits"]) for run in (shown(house, viewer, run_id) for run_id in run_ids)]


def requests_of(house: House, run_id: UUID) -> list[Event]:
    return [event for event in house.published("reassignment_requested") if event.subject == str(run_id)]


def test_a_run_begins_when_the_one_before_it_has_ended_in_the_order_of_their_presses(house: House) -> None:
    popug, manager = house.person(), house.person("manager")
    for _ in range(TASKS):
        house.api(popug).create()
    runs = [press(house, manager) for _ in range(3)]
    assert standing(house, manager, runs) == [("running", False), ("running", True), ("running", True)]
    assert [len(requests_of(house, run)) for run in runs] == [1, 0, 0]

    list(house.work_through(runs[0]))
    assert standing(house, manager, runs) == [("finished", False), ("running", False), ("running", True)]
    list(house.work_through(runs[1]))
    list(house.work_through(runs[2]))
    assert standing(house, manager, runs) == [("finished", False)] * 3
    for number, run in enumerate(runs, start=2):
        told = [e for e in house.published("task_assigned") if e.data["reassignment_id"] == str(run)]
        assert Counter(e.subject for e in told) == {str(task.public_id): 1 for task in house.tasks()}
        assert {e.data["assignment_no"] for e in told} == {number}


def test_a_run_that_waits_takes_what_was_open_when_it_was_requested(house: House) -> None:
    popug, manager = house.person(), house.person("manager")
    for _ in range(TASKS):
        house.api(popug).create()
    runs = [press(house, manager) for _ in range(2)]
    late = house.api(popug).create()
    house.api(popug).post(f"/tasks/{house.tasks()[0].public_id}/complete")
    for run in runs:
        list(house.work_through(run))
    assert [(house.run(run).done, house.run(run).total) for run in runs] == [(TASKS - 1, TASKS)] * 2
    assert {str(task.public_id): task.assignment_no for task in house.tasks()}[late["id"]] == 1


def test_a_run_that_ends_because_there_is_nobody_to_assign_gives_the_turn_on(house: House) -> None:
    popug, manager = house.person(), house.person("manager")
    house.api(popug).create()
    runs = [press(house, manager) for _ in range(2)]
    house.hear_of(popug, role="manager", event="updated")
    for run in runs:
        list(house.work_through(run))
    assert [(house.run(run).status, house.run(run).nobody_to_assign) for run in runs] == [("finished", True)] * 2


def test_the_tasks_of_a_blocked_parrot_wait_for_no_run(house: House) -> None:
    blocked, manager = house.person(), house.person("manager")
    house.api(blocked).create()
    heir = house.person()
    press(house, manager)
    house.hear_of(blocked, status="blocked", event="blocked")
    caused_by_block = UUID(house.published("reassignment_requested")[-1].subject)
    list(house.work_through(caused_by_block))
    assert [task.assignee_id for task in house.tasks()] == [heir]
    assert shown(house, manager, caused_by_block)["requested_by"] is None


def test_the_scheduler_gives_a_turn_that_was_lost_to_the_run_that_waited_longest_and_gives_it_once(
    house: House,
) -> None:
    popug, manager = house.person(), house.person("manager")
    house.api(popug).create()
    runs = [press(house, manager) for _ in range(3)]
    look_after_reassignments(house.database)
    assert standing(house, manager, runs) == [("running", False), ("running", True), ("running", True)]
    with house.database.transaction() as session:  # as an administrator does who has given up on it
        ended = text("UPDATE reassignments SET status = 'finished', finished_at = now() WHERE id = :id")
        session.execute(ended, {"id": runs[0]})
    for _ in range(2):
        look_after_reassignments(house.database)
    assert standing(house, manager, runs) == [("finished", False), ("running", False), ("running", True)]
    assert [len(requests_of(house, run)) for run in runs] == [1, 1, 0]


def test_a_request_of_a_run_that_waits_has_no_effect(house: House) -> None:
    """As of one that moved beside another before runs took turns."""
    popug, manager = house.person(), house.person("manager")
    house.api(popug).create()
    runs = [press(house, manager) for _ in range(2)]
    with house.database.transaction() as session:
        session.execute(text("UPDATE reassignments SET version = 1 WHERE id = :id"), {"id": runs[1]})
    data = {**requests_of(house, runs[0])[0].data, "reassignment_id": str(runs[1])}
    house.deliver(Event.new("tracker.reassignment_requested.v1", subject=str(runs[1]), sequence=1, data=data))
    assert standing(house, manager, runs) == [("running", False), ("running", True)]
    assert house.tasks()[0].assignment_no == 1
