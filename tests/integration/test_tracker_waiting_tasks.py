"""Tasks whose assignee was blocked when nobody could be assigned, and runs whose request was lost."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from chassis.db import utc_now
from chassis.settings import Settings
from messaging import Event
from tests.integration.tracker_house import House
from tracker_service import commands
from tracker_service.jobs import look_after_reassignments
from tracker_service.models import FINISHED, RUNNING


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    house = House(migrated("tracker"))
    yield house
    house.close()


def requests(house: House) -> list[Event]:
    return house.published("reassignment_requested")


def block_the_only_one(house: House, tasks: int = 2) -> UUID:
    """Somebody with open tasks who is blocked while nobody else can be assigned; the run of the block has ended."""
    popug = house.person()
    for _ in range(tasks):
        house.api(popug).create()
    house.hear_of(popug, status="blocked", event="blocked")
    list(house.work_through(UUID(requests(house)[-1].subject)))
    assert {task.assignee_id for task in house.tasks()} == {popug}
    return popug


def work_through_all(house: House) -> None:
    for run_id in {UUID(event.subject) for event in requests(house)}:
        if house.run(run_id).status == RUNNING:
            list(house.work_through(run_id))


def stand_still(house: House, minutes: int) -> None:
    """Let time pass for all runs."""
    with house.database.transaction() as session:
        moments = ("started_at", "turn_at", "asked_at")
        past = ", ".join(f"{moment} = {moment} - :time" for moment in moments)
        session.execute(text(f"UPDATE reassignments SET {past}"), {"time": timedelta(minutes=minutes)})


def test_tasks_wait_with_their_last_assignee_who_cannot_complete_them(house: House) -> None:
    blocked = block_the_only_one(house)
    task = house.tasks()[0]
    assert house.api(blocked).post(f"/tasks/{task.public_id}/complete").status_code == 401
    look_after_reassignments(house.database)
    assert len(requests(house)) == 1
    admin = house.browser(house.person("admin"))
    assert "goes to the first who can be assigned" in admin.get(f"/tasks/{task.public_id}").text
    run_id = requests(house)[0].subject
    assert "go to the first who can be assigned" in admin.get(f"/reassignments/{run_id}").text


def test_they_go_to_the_first_who_is_registered(house: House) -> None:
    block_the_only_one(house)
    newcomer = house.person()
    work_through_all(house)
    assert [(task.assignee_id, task.assignment_no) for task in house.tasks()] == [(newcomer, 2), (newcomer, 2)]
    house.person()
    assert len(requests(house)) == 2


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        ({"status": "blocked"}, {"status": "active"}, "unblocked"),
        ({"role": "manager"}, {"role": "accountant"}, "updated"),
    ],
)
def test_they_go_to_the_first_who_is_unblocked_or_gets_another_role(
    house: House, before: dict[str, str], after: dict[str, str], event: str
) -> None:
    other = house.person()
    house.hear_of(other, event="updated", **before)
    block_the_only_one(house)
    house.hear_of(other, event=event, **after)
    work_through_all(house)
    assert {task.assignee_id for task in house.tasks()} == {other}


def test_who_is_unblocked_keeps_the_tasks_that_still_wait(house: House) -> None:
    popug = block_the_only_one(house)
    house.hear_of(popug, event="unblocked")
    look_after_reassignments(house.database)
    assert len(requests(house)) == 1
    assert {(task.assignee_id, task.assignment_no) for task in house.tasks()} == {(popug, 1)}


def test_the_job_gives_away_what_no_event_has_and_does_it_once(house: House) -> None:
    blocked = block_the_only_one(house)
    with house.database.transaction() as session:  # as an earlier version left it: heard of, and nothing done
        row = "INSERT INTO users VALUES (:id, 'Rio', 'rio@popug.inc', 'popug', 'active', 1)"
        session.execute(text(row), {"id": uuid4()})
    for _ in range(2):
        look_after_reassignments(house.database)
    assert len(requests(house)) == 2
    work_through_all(house)
    look_after_reassignments(house.database)
    assert len(requests(house)) == 2
    assert blocked not in {task.assignee_id for task in house.tasks()}
    assert {task.assignment_no for task in house.tasks()} == {2}


def test_a_run_whose_request_was_discarded_or_lost_is_asked_again_and_ends(house: House) -> None:
    manager, popug = house.person("manager"), house.person()
    house.api(popug).create()
    house.api(manager).post("/reassignments")
    (request,) = requests(house)
    look_after_reassignments(house.database)
    assert requests(house) == [request]  # it may be on its way

    stand_still(house, 11)
    for _ in range(2):
        look_after_reassignments(house.database)
    _, again = requests(house)
    assert (again.subject, again.sequence) == (request.subject, 2)
    house.deliver(again)
    house.deliver(request)
    assert house.run(UUID(request.subject)).status == "finished"
    assert {task.assignment_no for task in house.tasks()} == {2}
    stand_still(house, 1000)
    look_after_reassignments(house.database)
    assert len(requests(house)) == 2


def test_who_is_unblocked_keeps_the_tasks_of_a_run_whose_request_was_lost(house: House) -> None:
    popug = house.person()
    for _ in range(10):
        house.api(popug).create()
    house.person()
    house.hear_of(popug, status="blocked", event="blocked")
    run_id = UUID(requests(house)[-1].subject)
    house.hear_of(popug, event="unblocked")
    stand_still(house, minutes=11)
    look_after_reassignments(house.database)
    list(house.work_through(run_id))
    assert house.run(run_id).status == FINISHED
    assert {(task.assignee_id, task.assignment_no) for task in house.tasks()} == {(popug, 1)}


def test_a_run_that_still_does_not_move_is_asked_after_twice_the_time(house: House) -> None:
    house.api(house.person()).create()
    house.api(house.person("manager")).post("/reassignments")
    asked = []
    for minutes in (11, 12, 12, 12, 24, 24):
        stand_still(house, minutes)
        look_after_reassignments(house.database)
        asked.append(len(requests(house)) - 1)
    assert asked == [1, 2, 2, 3, 3, 4]


def test_a_run_that_is_being_worked_on_is_not_asked_again(house: House) -> None:
    house.api(house.person()).create()
    house.api(house.person("manager")).post("/reassignments")
    stand_still(house, 60)
    with house.database.transaction() as session:
        commands.reassign_batch(session, UUID(requests(house)[0].subject), sequence=1)
        with house.database.transaction() as other:
            assert commands.ask_again(other, now=utc_now()) == 0
