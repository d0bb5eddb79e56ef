"""The one button: every open task gets a new assignee, in batches that survive a crash, each task once a run."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event as sqlalchemy_event

from chassis.db import utc_now
from chassis.settings import Settings
from messaging import Event, PermanentError
from tests.integration.tracker_house import House
from tests.waiting import eventually
from tracker_service import commands, events
from tracker_service.models import Assignment, Task


@pytest.fixture
def house(migrated: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(commands, "reassign_batch", partial(commands.reassign_batch, limit=500))
    house = House(migrated("tracker", ATES_URL_AUTH="http://127.0.0.1:1"))
    yield house
    house.close()


def fill(house: House, assignee: UUID, tasks: int) -> None:
    """Many open tasks at once, without telling of them."""
    now = utc_now()
    with house.database.transaction() as session:
        filled = [
            Task(title=f"Task {number}", assignee_id=assignee, created_by=assignee, created_at=now, version=2)
            for number in range(tasks)
        ]
        session.add_all(filled)
        session.flush()
        session.add_all(
            Assignment(task_number=task.id, assignment_no=1, assignee_id=assignee, assigned_at=now, event_id=uuid4())
            for task in filled
        )


def press(house: House, manager: UUID, **headers: str) -> UUID:
    answer = house.api(manager).post("/reassignments", **headers)
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/reassignments/{answer.json['id']}"
    return UUID(answer.json["id"])


def assigned_in(house: House, run_id: UUID) -> Counter[str]:
    """How often each task was assigned, so charged, in a run."""
    events = house.published("task_assigned")
    return Counter(event.subject for event in events if event.data["reassignment_id"] == str(run_id))


def test_twelve_hundred_tasks_are_assigned_once_each_over_several_batches(house: House) -> None:
    popugs = [house.person() for _ in range(3)]
    manager = house.person("manager")
    fill(house, popugs[0], 1200)
    run_id = press(house, manager)
    api = house.api(manager)
    progress = [api.get(f"/reassignments/{run_id}").json]
    for _ in house.work_through(run_id):
        progress.append(api.get(f"/reassignments/{run_id}").json)

    assert [(p["done"], p["total"], p["status"]) for p in progress] == [
        (0, 1200, "running"),
        (500, 1200, "running"),
        (1000, 1200, "running"),
        (1200, 1200, "finished"),
    ]
    assert progress[-1]["finished_at"]
    tasks = house.tasks()
    assert assigned_in(house, run_id) == {str(task.public_id): 1 for task in tasks}
    assert {(task.assignment_no, task.version) for task in tasks} == {(2, 3)}
    shares = Counter(task.assignee_id for task in tasks)
    assert all(300 < shares[popug] < 500 for popug in popugs)  # 400 expected, with a deviation of 16
    told = {
        e.subject: (e.data["assignee_id"], e.data["assignment_no"], e.sequence)
        for e in house.published("task_assigned")
    }
    assert told == {str(t.public_id): (str(t.assignee_id), t.assignment_no, t.version) for t in tasks}
    (finished,) = house.published("reassignment_finished")
    assert (finished.data["total"], finished.data["reassigned"]) == (1200, 1200)
    sequences = [e.sequence for e in house.published() if e.subject == str(run_id)]
    assert sequences == [1, 2, 3, 4]


def test_a_batch_takes_a_fixed_number_of_statements(house: House) -> None:
    popug = house.person()
    fill(house, popug, 600)
    run_id = press(house, house.person("manager"))
    (request,) = house.published("reassignment_requested")
    statements: list[str] = []
    sqlalchemy_event.listen(house.database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    house.deliver(request)
    assert house.run(run_id).done == 500
    assert len(statements) < 15


def test_after_a_crash_in_the_middle_of_a_batch_the_run_goes_on_where_it_was(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(house, house.person(), 1200)
    run_id = press(house, house.person("manager"))
    batches = house.work_through(run_id)
    next(batches)

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(events, "reassignment_requested", crash)
        second = house.published("reassignment_requested")[1]
        with pytest.raises(RuntimeError):
            house.deliver(second)  # 500 tasks were assigned when it happened
    assert house.run(run_id).done == 500
    assert assigned_in(house, run_id).total() == 500

    list(batches)
    assert house.run(run_id).status == "finished"
    assert Counter(assigned_in(house, run_id).values()) == {1: 1200}


def test_a_batch_delivered_again_assigns_nothing(house: House) -> None:
    fill(house, house.person(), 700)
    run_id = press(house, house.person("manager"))
    for request in house.work_through(run_id):
        house.deliver(request)
        house.deliver(house.published("reassignment_requested")[0])
    assert Counter(assigned_in(house, run_id).values()) == {1: 700}
    assert len(house.published("reassignment_finished")) == 1


def test_a_task_completed_meanwhile_is_left_alone(house: House) -> None:
    popug = house.person()
    fill(house, popug, 600)
    run_id = press(house, house.person("manager"))
    last = house.tasks()[-1]
    batches = house.work_through(run_id)
    next(batches)
    assert house.api(popug).post(f"/tasks/{last.public_id}/complete").status_code == 200
    list(batches)
    assert house.run(run_id).done == 599
    assert str(last.public_id) not in assigned_in(house, run_id)
    left_alone = house.tasks()[-1]
    assert (left_alone.assignee_id, left_alone.assignment_no, left_alone.status) == (popug, 1, "done")
    (finished,) = house.published("reassignment_finished")
    assert (finished.data["total"], finished.data["reassigned"]) == (600, 599)


def test_who_completes_a_task_while_its_batch_is_under_way_waits_and_is_told_the_truth(house: House) -> None:
    old, new = house.person(), house.person(name="Rio")
    house.hear_of(old, role="manager", event="updated")  # so that the other one is drawn
    fill(house, old, 1)
    (task,) = house.tasks()
    press(house, house.person("manager"))
    (request,) = house.published("reassignment_requested")
    answers: list[Any] = []

    def complete() -> None:
        answers.append(house.api(old).post(f"/tasks/{task.public_id}/complete"))

    click = threading.Thread(target=complete)
    with house.database.transaction() as session:
        commands.reassign_batch(session, UUID(request.subject), sequence=1)
        click.start()
        eventually(house.somebody_waits_for_a_lock)
        assert answers == []
    click.join()
    assert house.tasks()[0].assignee_id == new
    (answer,) = answers
    assert (answer.status_code, answer.json["type"]) == (409, "urn:ates:problem:task-reassigned")
    assert answer.json["assignee"] == {"id": str(new), "name": "Rio"}
    assert "Rio has it now" in answer.json["detail"]
    assert house.api(house.person()).post(f"/tasks/{task.public_id}/complete").status_code == 403


def test_tasks_created_after_the_request_are_none_of_its_business(house: House) -> None:
    popug = house.person()
    fill(house, popug, 3)
    run_id = press(house, house.person("manager"))
    late = house.api(popug).create()
    list(house.work_through(run_id))
    assert house.run(run_id).done == 3
    assert late["id"] not in assigned_in(house, run_id)


def test_done_tasks_are_not_counted_and_not_touched(house: House) -> None:
    popug = house.person()
    done = house.api(popug).create()["id"]
    house.api(popug).post(f"/tasks/{done}/complete")
    run_id = press(house, house.person("manager"))
    list(house.work_through(run_id))
    run = house.run(run_id)
    assert (run.status, run.total, run.done, run.nobody_to_assign) == ("finished", 0, 0, False)


def test_without_anybody_to_assign_the_run_ends_and_says_so(house: House) -> None:
    popug, manager = house.person(), house.person("manager")
    fill(house, popug, 2)
    house.hear_of(popug, role="manager", event="updated")
    run_id = press(house, manager)
    list(house.work_through(run_id))
    shown = house.api(manager).get(f"/reassignments/{run_id}").json
    assert (shown["status"], shown["total"], shown["done"], shown["nobody_to_assign"]) == ("finished", 2, 0, True)
    (finished,) = house.published("reassignment_finished")
    assert finished.data["reassigned"] == 0
    assert {task.assignment_no for task in house.tasks()} == {1}


def test_each_press_is_a_run_of_its_own_and_is_charged_again(house: House) -> None:
    fill(house, house.person(), 2)
    manager = house.person("manager")
    for _ in range(2):
        list(house.work_through(press(house, manager)))
    assert {task.assignment_no for task in house.tasks()} == {3}


def test_a_double_click_with_one_key_is_one_run(house: House) -> None:
    manager = house.person("manager")
    assert press(house, manager, Idempotency_Key="k") == press(house, manager, Idempotency_Key="k")
    assert len(house.published("reassignment_requested")) == 1


@pytest.mark.parametrize(("role", "status"), [("popug", 403), ("boss", 403), ("accountant", 403), ("admin", 202)])
def test_the_button_is_for_managers_and_admins(house: House, role: str, status: int) -> None:
    api = house.api(house.person(role))
    run_id = press(house, house.person("manager"))
    assert api.post("/reassignments").status_code == status
    assert api.get(f"/reassignments/{run_id}").status_code == (200 if status == 202 else 403)


def test_a_missing_run_is_not_found(house: House) -> None:
    assert house.api(house.person("admin")).get(f"/reassignments/{uuid4()}").status_code == 404


def test_a_request_for_a_run_that_was_never_started_is_refused_for_good(house: House) -> None:
    run_id = str(uuid4())
    data = {"reassignment_id": run_id, "requested_by": None, "only_assignee_id": None}
    data["requested_at"] = "2026-11-21T09:00:00Z"
    with pytest.raises(PermanentError, match=run_id):
        house.deliver(Event.new("tracker.reassignment_requested.v1", subject=run_id, sequence=1, data=data))


def test_the_open_tasks_of_a_blocked_person_go_to_others(house: House) -> None:
    blocked, others = house.person(), {house.person(), house.person()}
    other = next(iter(others))
    fill(house, blocked, 4)
    fill(house, other, 2)
    done = house.tasks()[0]
    assert house.api(blocked).post(f"/tasks/{done.public_id}/complete").status_code == 200
    house.hear_of(blocked, status="blocked", event="blocked")

    (request,) = house.published("reassignment_requested")
    assert (request.data["only_assignee_id"], request.data["requested_by"]) == (str(blocked), None)
    run_id = UUID(request.subject)
    list(house.work_through(run_id))
    assert (house.run(run_id).total, house.run(run_id).done) == (3, 3)
    tasks = house.tasks()
    assert tasks[0].assignee_id == blocked  # it was done: the past stays
    assert {task.assignee_id for task in tasks[1:4]} <= others
    assert [task.assignment_no for task in tasks] == [1, 2, 2, 2, 1, 1]


def test_a_block_heard_of_by_a_later_event_takes_the_tasks_as_well(house: House) -> None:
    popug = house.person()
    fill(house, popug, 1)
    house.hear_of(popug, status="blocked", event="updated")
    assert len(house.published("reassignment_requested")) == 1


def test_a_blocked_person_without_open_tasks_starts_no_run(house: House) -> None:
    popug = house.person()
    house.hear_of(popug, status="blocked", event="blocked")
    assert house.published() == []


def test_no_task_slips_to_somebody_in_the_moment_of_their_block(house: House) -> None:
    popug, author = house.person(), house.person("manager")
    blocking = threading.Thread(target=house.hear_of, args=(popug,), kwargs={"status": "blocked", "event": "blocked"})
    with house.database.transaction() as session:
        task = commands.create_task(session, creator_id=author, title="Fly")
        blocking.start()
        eventually(house.somebody_waits_for_a_lock)
        assert task.assignee_id == popug
    blocking.join()
    (request,) = house.published("reassignment_requested")
    assert house.run(UUID(request.subject)).total == 1
