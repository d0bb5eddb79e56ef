"""Ten managers press at once while parrots complete tasks and one of them is blocked: each task gets one of the orders.

Requests come in threads, as in a web server. Two consumers handle the tracker's commands to itself, as when one takes
over from another that is slow to die, and the scheduler looks after the runs. Only the database keeps them apart.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from billing_service.handlers import HANDLERS
from chassis.db import utc_now
from chassis.settings import Settings
from messaging import Event, Observer
from messaging.dispatch import dispatch
from messaging.tables import OutboxEvent
from tests.integration import billing_house
from tests.integration.billing_house import House as Billing
from tests.integration.tracker_house import House
from tests.waiting import eventually
from tracker_service import commands
from tracker_service.jobs import look_after_reassignments
from tracker_service.models import DONE, FINISHED, OPEN, Assignment, Reassignment, Task, User

MANAGERS, PARROTS, TASKS, COMPLETIONS = 10, 30, 1_000, 200
#: Of the run of a press, so that many transactions meet: a twentieth of the tasks.
BATCH = 50
#: Tasks are filled in as if they had been created and assigned: events of the first two versions have been sent.
VERSION_BEFORE = 2


@pytest.fixture
def house(migrated: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(commands, "reassign_batch", partial(commands.reassign_batch, limit=BATCH))
    house = House(migrated("tracker", ATES_URL_AUTH="http://127.0.0.1:1"))
    yield house
    house.close()


@pytest.fixture
def billing(migrated: Callable[..., Any]) -> Iterator[Billing]:
    billing = Billing(migrated("billing"))
    yield billing
    billing.dispose()


@dataclass(frozen=True)
class Click:
    """Somebody pressed "Done" on a task that was theirs a moment before."""

    who: UUID
    task_id: UUID
    status: int
    answer: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What all of them left behind."""

    clicks: list[Click]
    blocked: UUID
    parrots: list[UUID]


def fill(house: House, parrots: list[UUID]) -> None:
    now = utc_now()
    with house.database.transaction() as session:
        tasks = [
            Task(
                title=f"Task {number}",
                assignee_id=parrots[number % len(parrots)],
                created_by=parrots[0],
                created_at=now,
                version=VERSION_BEFORE,
            )
            for number in range(TASKS)
        ]
        session.add_all(tasks)
        session.flush()
        session.add_all(
            Assignment(
                task_number=task.id, assignment_no=1, assignee_id=task.assignee_id, assigned_at=now, event_id=uuid4()
            )
            for task in tasks
        )


def complete_some(house: House, count: int, random: Random) -> list[Click]:
    """Complete tasks, each by whom the list has just shown as its assignee."""
    clicks = []
    for _ in range(count):
        with house.database.reading() as session:
            open_tasks = select(Task.public_id, Task.assignee_id).join(User, User.user_id == Task.assignee_id)
            shown = session.execute(open_tasks.where(Task.status == OPEN, User.status == "active")).all()
        task_id, who = random.choice(shown)
        answer = house.api(who).post(f"/tasks/{task_id}/complete")
        clicks.append(Click(who, task_id, answer.status_code, answer.json))
    return clicks


def consume(house: House, stop: threading.Event) -> None:
    """Handle each of the tracker's commands to itself, in their order."""
    requests = select(OutboxEvent.id, OutboxEvent.body).where(OutboxEvent.type == "tracker.reassignment_requested.v1")
    done: set[int] = set()
    while not stop.wait(0.01):
        with house.database.reading() as session:
            new = session.execute(requests.where(OutboxEvent.id.not_in(done)).order_by(OutboxEvent.id)).all()
        for number, body in new:
            house.deliver(Event.from_bytes(body))
            done.add(number)


def look_after(house: House, stop: threading.Event) -> None:
    while not stop.wait(0.1):
        look_after_reassignments(house.database)


def all_runs(house: House) -> list[Reassignment]:
    """Those of the presses, in the order of their turns."""
    with house.database.reading() as session:
        pressed = select(Reassignment).where(Reassignment.requested_by.is_not(None))
        return list(session.scalars(pressed.order_by(Reassignment.turn_at)))


def race(house: House) -> Outcome:
    """Let everybody do what they do at once, and wait until all runs have ended."""
    managers, parrots = (
        [house.person(role) for _ in range(n)] for role, n in (("manager", MANAGERS), ("popug", PARROTS))
    )
    fill(house, parrots)
    together, stop = threading.Barrier(MANAGERS), threading.Event()
    seeds = Random(7)

    def press(manager: UUID) -> int:
        together.wait()
        return int(house.api(manager).post("/reassignments").status_code)

    with ThreadPoolExecutor(MANAGERS + 8) as threads:
        endless = [threads.submit(work, house, stop) for work in (consume, consume, look_after)]
        try:
            presses = list(threads.map(press, managers))
            clicking: list[Future[list[Click]]] = [
                threads.submit(complete_some, house, COMPLETIONS // 4, Random(seeds.random())) for _ in range(4)
            ]
            threads.submit(house.hear_of, parrots[0], status="blocked", event="blocked").result()
            clicks = [click for work in clicking for click in work.result()]
            eventually(lambda: no_run_is_left(house), timeout=300)
        finally:
            stop.set()
    for work in endless:
        work.result()  # raises what it raised
    assert presses == [202] * MANAGERS
    return Outcome(clicks, parrots[0], parrots)


def no_run_is_left(house: House) -> bool:
    with house.database.reading() as session:
        return session.scalar(select(Reassignment.id).where(Reassignment.status != FINISHED).limit(1)) is None


def by_task(events: list[Event]) -> dict[UUID, list[Event]]:
    """The events of each task, in the order in which they are sent."""
    of_task = defaultdict(list)
    for event in events:
        if event.name in ("tracker.task_assigned", "tracker.task_completed"):
            of_task[UUID(event.subject)].append(event)
    return of_task


def test_every_press_and_every_completion_ends_in_one_of_the_two_orders(house: House, billing: Billing) -> None:
    outcome = race(house)
    runs = all_runs(house)
    turns = [str(run.id) for run in runs]
    events = by_task(house.published())
    tasks = {task.public_id: task for task in house.tasks()}

    # Runs did not overlap, and all ten had their turn.
    assert len(runs) == MANAGERS
    assert all(before.finished_at <= after.turn_at for before, after in pairwise(runs))  # type: ignore[operator]

    for task_id, task in tasks.items():
        told = events[task_id]
        assert [e.sequence for e in told] == list(range(VERSION_BEFORE + 1, VERSION_BEFORE + 1 + len(told)))
        assignments = [e for e in told if e.name == "tracker.task_assigned"]
        assert [e.data["assignment_no"] for e in assignments] == list(range(2, 2 + len(assignments)))
        # Each run took the task once, in the order of turns, until somebody had completed it.
        by_press = [e.data["reassignment_id"] for e in assignments if e.data["reassignment_id"] in turns]
        assert by_press == turns[: len(by_press)]
        assert task.status == DONE or by_press == turns
        # A completion is the last that happens to a task, and its assignee of that moment is the one who is paid.
        completions = [e for e in told if e.name == "tracker.task_completed"]
        assert completions == (told[-1:] if task.status == DONE else [])
        assert UUID((assignments or told)[-1].data["assignee_id"]) == task.assignee_id
        assert all(e.data["assignee_id"] == str(task.assignee_id) for e in completions)

    # A completion with 200 is paid. A refused one came after a reassignment or after another completion.
    assert len(outcome.clicks) == COMPLETIONS
    done = {click.task_id: click.who for click in outcome.clicks if click.status == 200}
    assert done == {task_id: task.assignee_id for task_id, task in tasks.items() if task.status == DONE}
    assert done
    for click in outcome.clicks:
        if click.status != 200:
            assert (click.status, click.answer["type"].rpartition(":")[2]) in [
                (409, "task-reassigned"),
                (409, "task-is-done"),
                (401, "blocked"),  # in the moment of the click
            ]
    # Nobody who is blocked has anything to do.
    assert not [task for task in tasks.values() if task.status == OPEN and task.assignee_id == outcome.blocked]

    told = [event for task_id in done for event in events[task_id]]
    assert_billing_charges_and_pays(billing, told, outcome.parrots)


def assert_billing_charges_and_pays(billing: Billing, told: list[Event], parrots: list[UUID]) -> None:
    """Let billing hear of it in batches: each account holds the parrot's rewards minus their fees, and nothing else."""
    billing.handle(*(billing_house.user(parrot) for parrot in parrots))
    for start in range(0, len(told), 200):
        newest = [billing.database.registry.upcast(event) for event in told[start : start + 200]]
        with billing.database.transaction() as session:
            dispatch(HANDLERS, session, newest, Observer())
    prices = {row.task_id: row for row in billing.rows("SELECT * FROM tasks")}
    expected = dict.fromkeys(parrots, 0)
    for event in told:
        price, parrot = prices[UUID(event.subject)], UUID(event.data["assignee_id"])
        expected[parrot] += price.reward_cents if event.name == "tracker.task_completed" else -price.fee_cents
    assert {parrot: billing.balance(parrot) for parrot in parrots} == expected
    assert billing.problems() == []
