"""A database from before: assignments are taken from the outbox as far as that reaches, and runs get their turns."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.orm import Session

import tracker_service
from chassis.db import engine_url
from chassis.migrate import alembic_config
from deploy.databases import ServiceDatabase
from tracker_service import commands
from tracker_service.errors import NotYoursToComplete, TaskReassigned
from tracker_service.models import Reassignment

MIGRATIONS = Path(tracker_service.__file__).parent / "migrations"
RIO, KEA, ZOE, BOSS = (UUID(int=number) for number in range(1, 5))
#: Its events are all in the outbox; of the next one only the latest is; of the last one none.
WHOLE, CUT, GONE = (UUID(int=number) for number in range(11, 14))
FIRST_RUN, SECOND_RUN = UUID(int=21), UUID(int=22)

BEFORE = f"""
    INSERT INTO users (user_id, name, email, role, status, sequence)
        SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'Popug ' || n, 'popug@x.example',
               CASE WHEN n = 4 THEN 'manager' ELSE 'popug' END, 'active', 1
        FROM generate_series(1, 4) n;
    INSERT INTO tasks (public_id, title, description, status, assignee_id, assignment_no, created_by, created_at,
                       version)
        VALUES ('{WHOLE}', 'Fly', '', 'open', '{ZOE}', 3, '{BOSS}', '2026-11-20', 4),
               ('{CUT}', 'Sing', '', 'open', '{KEA}', 3, '{BOSS}', '2026-11-20', 4),
               ('{GONE}', 'Swim', '', 'open', '{RIO}', 2, '{BOSS}', '2026-11-20', 3);
    INSERT INTO former_assignees (task_number, user_id)
        SELECT tasks.id, former.user_id FROM tasks
        JOIN (VALUES ('{WHOLE}'::uuid, '{RIO}'::uuid), ('{WHOLE}', '{KEA}'), ('{CUT}', '{RIO}'), ('{GONE}', '{KEA}'))
             AS former (task_id, user_id) ON former.task_id = tasks.public_id;
"""


def _told(task_id: UUID, number: int, assignee: UUID, run: UUID | None) -> dict[str, Any]:
    data = {
        "task_id": str(task_id),
        "assignee_id": str(assignee),
        "assignment_no": number,
        "reassignment_id": run and str(run),
        "assigned_at": f"2026-11-2{number}T09:00:00+00:00",
    }
    return {"id": UUID(int=task_id.int * 100 + number), "subject": task_id, "number": number, "data": data}


OUTBOX = [
    _told(WHOLE, 1, RIO, None),
    _told(WHOLE, 2, KEA, FIRST_RUN),
    _told(WHOLE, 3, ZOE, SECOND_RUN),
    _told(CUT, 3, KEA, SECOND_RUN),
]


def _fill(connection: Connection) -> None:
    connection.execute(text(BEFORE))
    for minute, run in enumerate((FIRST_RUN, SECOND_RUN)):
        row = """INSERT INTO reassignments (id, requested_by, upper_bound, cursor, total, done, status,
                                            nobody_to_assign, started_at, asked_at, version)
                 VALUES (:id, :boss, 3, 0, 3, 0, 'running', false, :at, :at, 1)"""
        connection.execute(text(row), {"id": run, "boss": BOSS, "at": f"2026-11-23T09:0{minute}:00Z"})
    for event in OUTBOX:
        row = """INSERT INTO outbox (event_id, type, subject, sequence, correlation_id, body, created_at)
                 VALUES (:id, 'tracker.task_assigned.v1', :subject, :number, :id, :body, now())"""
        body = json.dumps({"data": event["data"]}).encode()
        values = {"id": event["id"], "subject": str(event["subject"]), "number": event["number"] + 1, "body": body}
        connection.execute(text(row), values)


@pytest.fixture(scope="module")
def upgraded(database: Callable[..., ServiceDatabase]) -> Iterator[Engine]:
    """The owner's connections to a database that was filled at revision 0007 and brought up to date."""
    urls = database("tracker")
    config = alembic_config(urls.owner_url, MIGRATIONS)
    command.upgrade(config, "0007")
    engine = create_engine(engine_url(urls.owner_url))
    with engine.begin() as connection:
        _fill(connection)
    command.upgrade(config, "head")
    yield engine
    engine.dispose()


def assignments_of(engine: Engine, task_id: UUID) -> list[tuple[int, UUID, UUID | None, UUID]]:
    found = """SELECT assignments.assignment_no, assignments.assignee_id, reassignment_id, event_id
               FROM assignments JOIN tasks ON tasks.id = task_number WHERE public_id = :id ORDER BY assignment_no"""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(found), {"id": task_id})]


def test_assignments_are_what_the_outbox_tells_with_their_runs_and_the_events_that_billing_names(
    upgraded: Engine,
) -> None:
    assert assignments_of(upgraded, WHOLE) == [
        (1, RIO, None, UUID(int=WHOLE.int * 100 + 1)),
        (2, KEA, FIRST_RUN, UUID(int=WHOLE.int * 100 + 2)),
        (3, ZOE, SECOND_RUN, UUID(int=WHOLE.int * 100 + 3)),
    ]


def test_of_a_task_whose_earlier_events_are_gone_only_what_is_known_is_kept(upgraded: Engine) -> None:
    assert assignments_of(upgraded, CUT) == [(3, KEA, SECOND_RUN, UUID(int=CUT.int * 100 + 3))]


def test_a_task_of_which_the_outbox_tells_nothing_keeps_its_present_assignment(upgraded: Engine) -> None:
    ((number, assignee, run, _),) = assignments_of(upgraded, GONE)
    assert (number, assignee, run) == (2, RIO, None)


@pytest.mark.parametrize(
    ("task_id", "who", "explained"), [(WHOLE, RIO, True), (WHOLE, KEA, True), (CUT, RIO, False), (CUT, ZOE, False)]
)
def test_a_late_click_is_explained_to_whom_the_outbox_knows_to_have_had_the_task(
    upgraded: Engine, task_id: UUID, who: UUID, explained: bool
) -> None:
    with Session(upgraded) as session, pytest.raises(TaskReassigned if explained else NotYoursToComplete):
        commands.complete_task(session, task_id, by=who)


def test_of_runs_that_moved_side_by_side_the_first_goes_on_and_the_other_waits_for_it(upgraded: Engine) -> None:
    with Session(upgraded) as session:
        first, second = (session.get_one(Reassignment, run) for run in (FIRST_RUN, SECOND_RUN))
        assert (first.waits, second.waits) == (False, True)
