"""What is asked often stays quick among 100,000 tasks: Postgres finds it by an index."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from chassis.db import utc_now
from chassis.paging import MAX_LIMIT, Page, PageRequest
from chassis.people import Role
from chassis.request_keys import forget_old_keys
from tests.integration.tracker_house import House
from tests.plans import HotQuery, fill, id_of, second_page
from tracker_service import commands, queries
from tracker_service.domain.wanted import SORTS, Wanted
from tracker_service.errors import TaskReassigned
from tracker_service.models import DONE, OPEN, RequestKey

#: A year: 1,000 people, of whom every hundredth is blocked; of 100,000 tasks every tenth is open. A run is under way.
COMPANY = """
    INSERT INTO users (user_id, name, email, role, status, sequence)
        SELECT md5('user' || n)::uuid, 'Popug ' || n, 'popug@x.example',
               CASE WHEN n % 40 = 1 THEN 'manager' ELSE 'popug' END,
               CASE WHEN n % 100 = 2 THEN 'blocked' ELSE 'active' END, 1
        FROM generate_series(1, 1000) n;
    INSERT INTO tasks (public_id, title, jira_id, description, fee_cents, reward_cents, status, assignee_id,
                       assignment_no, created_by, created_at, completed_at, version)
        SELECT md5('task' || n)::uuid, 'Task ' || n, CASE WHEN n % 3 = 0 THEN 'POPUG-' || n END,
               repeat('Crack a nut. ', n % 40), 1000 + n * 7919 % 1001, 2000 + n * 7907 % 2001,
               CASE WHEN n % 10 = 0 THEN 'open' ELSE 'done' END,
               md5('user' || 1 + n * 7919 % 997)::uuid, 2, md5('user' || 1 + n * 31 % 400)::uuid,
               timestamptz '2025-12-01' + n * interval '5 minutes',
               CASE WHEN n % 10 = 0 THEN NULL ELSE timestamptz '2026-11-02' END, 2
        FROM generate_series(1, 100000) n;
    INSERT INTO reassignments (id, requested_by, only_assignee_id, upper_bound, cursor, total, done, status,
                               nobody_to_assign, started_at, turn_at, asked_at, finished_at, version)
        SELECT md5('run' || n)::uuid, md5('user1')::uuid, NULL, 100000, 0, 10000, 0,
               CASE WHEN n = 100000 THEN 'running' ELSE 'finished' END, false,
               timestamptz '2026-01-01' + n * interval '5 minutes', timestamptz '2026-01-01' + n * interval '5 minutes',
               timestamptz '2026-01-01' + n * interval '5 minutes',
               CASE WHEN n = 100000 THEN NULL ELSE timestamptz '2026-12-31' END, 1
        FROM generate_series(1, 100000) n;
    INSERT INTO assignments
        SELECT id, no, md5('user' || 1 + (id * 7919 + (2 - no) * 3) % 997)::uuid,
               CASE WHEN no = 2 THEN md5('run99999')::uuid END, timestamptz '2026-11-01' + id * interval '1 second',
               gen_random_uuid()
        FROM tasks, generate_series(1, 2) no;
    INSERT INTO task_edits (task_number, edited_by, edited_at, before, after)
        SELECT id, md5('user1')::uuid, timestamptz '2026-11-01', '{"title": "Tusk"}', '{"title": "Task"}' FROM tasks;
    INSERT INTO movements
        SELECT md5('movement' || id)::uuid, assignee_id, 'fee', public_id, -1500, date '2026-11-01' + id::int % 30,
               timestamptz '2026-11-01'
        FROM tasks;
    INSERT INTO balances SELECT user_id, -1500, 3 FROM users;
    INSERT INTO carried_debts
        SELECT user_id, date '2026-10-01' + day, -1500, timestamptz '2026-10-02' + day * interval '1 day'
        FROM users, generate_series(1, 60) day;
    INSERT INTO closed_days SELECT date '2000-01-01' + day FROM generate_series(1, 9000) day;
    INSERT INTO news_read SELECT user_id, timestamptz '2026-11-01' FROM users;
    INSERT INTO request_keys (user_id, key, fingerprint, status, body, created_at)
        SELECT md5('user1')::uuid, md5(n::text), '', 201, '{}', now() - n * interval '1 second'
        FROM generate_series(1, 100000) n
"""
LARGE = {
    *("tasks", "task_words", "assignments", "task_edits", "reassignments", "request_keys"),
    *("movements", "balances", "carried_debts", "closed_days", "news_read"),
}
DAY = date(2026, 11, 7)
NEWS_SINCE = datetime(2026, 11, 1, 12, tzinfo=UTC)
MANAGER = UUID(int=1)
SOMEBODY, SOMEBODY_BLOCKED = id_of("user7"), id_of("user102")
#: Had the task until its second assignment.
FORMER_ASSIGNEE = id_of(f"user{1 + (7919 + 3) % 997}")
AUTHOR = id_of("user32")
A_TASK, A_RUN = id_of("task1"), id_of("run100000")
#: As many as may be asked for at once.
IDS = tuple(id_of(f"task{number}") for number in range(500, 100_001, 500))


@pytest.fixture(scope="module")
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("tracker"))
    fill(house.settings, COMPANY)
    yield house
    house.close()


def pages_of(*, limit: int = 5, **conditions: Any) -> Callable[[Session], object]:
    """A list of tasks, its second page and its counts."""
    wanted = Wanted(**conditions)

    def both(session: Session) -> None:
        first = queries.list_tasks(session, wanted, page=PageRequest(limit=limit))
        if first.next_cursor:
            queries.list_tasks(session, wanted, page=PageRequest(limit=limit, cursor=first.next_cursor))

    return both


def counts_of(**conditions: Any) -> Callable[[Session], object]:
    return lambda session: queries.count_tasks(session, Wanted(**conditions), shown=Page([], "there is more"))


def done_by_day(session: Session) -> None:
    done = queries.own_done_tasks(session, SOMEBODY, page=PageRequest(limit=25))
    queries.done_by_day(session, SOMEBODY, done.items)


def complete_too_late(session: Session) -> None:
    with pytest.raises(TaskReassigned):
        commands.complete_task(session, A_TASK, by=FORMER_ASSIGNEE)


def create_twice(session: Session) -> None:
    for _ in range(2):
        commands.create_task(session, creator_id=SOMEBODY, title="Fly", key="once")
        session.flush()


def reassign_somebody(session: Session) -> None:
    run = commands.take_tasks_from(session, SOMEBODY_BLOCKED)
    assert run is not None
    session.flush()
    commands.reassign_batch(session, run.id, sequence=run.version)


HOT = {
    "somebody's tasks": HotQuery(pages_of(assignee_ids=(SOMEBODY,)), {"tasks_of_assignee_idx"}, LARGE),
    "somebody's tasks to do": HotQuery(pages_of(assignee_ids=(SOMEBODY,), status=OPEN), {"tasks_assignee_idx"}, LARGE),
    "somebody's tasks done": HotQuery(pages_of(assignee_ids=(SOMEBODY,), status=DONE), {"tasks_assignee_idx"}, LARGE),
    "somebody's tasks by their reward": HotQuery(
        pages_of(assignee_ids=(SOMEBODY,), sort="-reward"), set(), LARGE, sorts=MAX_LIMIT
    ),
    "somebody's tasks among certain ids": HotQuery(
        pages_of(assignee_ids=(SOMEBODY,), ids=IDS), set(), LARGE, sorts=MAX_LIMIT
    ),
    "all tasks": HotQuery(pages_of(), {"tasks_pkey"}, LARGE),
    "all tasks, oldest first": HotQuery(pages_of(sort="created"), {"tasks_pkey"}, LARGE),
    "all tasks that are open": HotQuery(pages_of(status=OPEN), {"tasks_open_idx"}, LARGE),
    **{
        f"all tasks by {sort}": HotQuery(pages_of(sort=sort), {f"tasks_by_{sort.removeprefix('-')}_idx"}, LARGE)
        for sort in SORTS
        if "created" not in sort
    },
    "the latest completions": HotQuery(pages_of(status=DONE, sort="-completed"), {"tasks_by_completed_idx"}, LARGE),
    "tasks that somebody has created": HotQuery(pages_of(author_ids=(AUTHOR,)), {"tasks_of_author_idx"}, LARGE),
    "open tasks that somebody has created": HotQuery(
        pages_of(author_ids=(AUTHOR,), status=OPEN), set(), LARGE, sorts=MAX_LIMIT
    ),
    "tasks by a word in them": HotQuery(pages_of(text="ask 4711"), {"task_words_idx"}, LARGE, sorts=MAX_LIMIT),
    "tasks by a word in many of them": HotQuery(pages_of(text="TASK"), {"tasks_pkey"}, LARGE),
    "tasks by their Jira key": HotQuery(pages_of(jira_id="popug-4711"), {"tasks_jira_id_idx"}, LARGE),
    "tasks of a day": HotQuery(
        pages_of(first=date(2026, 3, 3), last=date(2026, 3, 3)), {"tasks_created_at_idx"}, LARGE, sorts=1000
    ),
    "how many tasks there are": HotQuery(counts_of(), set(), LARGE),
    "how many tasks somebody has": HotQuery(counts_of(assignee_ids=(SOMEBODY,)), {"tasks_assignee_idx"}, LARGE),
    "how many tasks somebody has created": HotQuery(counts_of(author_ids=(AUTHOR,)), {"tasks_of_author_idx"}, LARGE),
    "how many tasks have a word in them": HotQuery(counts_of(text="ask 4711"), {"task_words_idx"}, LARGE, sorts=100),
    "how many tasks there were in a month": HotQuery(
        counts_of(first=date(2026, 3, 1), last=date(2026, 3, 31)), {"tasks_created_at_idx"}, LARGE
    ),
    "one's own tasks to do": HotQuery(
        second_page(
            lambda session, page: queries.own_open_tasks(session, SOMEBODY, page=replace(page, limit=5)),
        ),
        {"tasks_assignee_idx"},
        LARGE,
    ),
    "one's own tasks done": HotQuery(
        second_page(lambda session, page: queries.own_done_tasks(session, SOMEBODY, page=page)),
        {"tasks_done_idx"},
        LARGE,
    ),
    "one's own tasks done, by day": HotQuery(
        done_by_day, {"tasks_done_idx", "movements_of_task_idx", "movements_of_person_idx"}, LARGE, sorts=MAX_LIMIT
    ),
    "whether one's own page has changed": HotQuery(
        lambda session: queries.own_state(session, SOMEBODY, role=Role.POPUG, day=DAY),
        {"tasks_assignee_idx", "balances_pkey", "movements_lately_idx", "carried_debts_pkey", "news_read_pkey"},
        LARGE,
    ),
    "which day it is": HotQuery(queries.current_day, {"closed_days_pkey"}, LARGE),
    "one's own money of the day": HotQuery(
        lambda session: queries.day_money(session, SOMEBODY, day=DAY),
        {"balances_pkey", "movements_of_person_idx"},
        LARGE,
    ),
    "one's own news": HotQuery(
        lambda session: queries.news(session, SOMEBODY, read_until=NEWS_SINCE, now=NEWS_SINCE + timedelta(hours=1)),
        {"assignments_of_person_idx", "movements_lately_idx", "carried_debts_pkey"},
        LARGE,
        sorts=MAX_LIMIT,
    ),
    "news that are read": HotQuery(
        lambda session: commands.read_news(session, SOMEBODY, until=NEWS_SINCE, now=utc_now()), set(), LARGE
    ),
    "tasks of certain ids": HotQuery(
        pages_of(limit=MAX_LIMIT, ids=IDS), {"tasks_public_id_key"}, LARGE, sorts=MAX_LIMIT
    ),
    "the open tasks of certain ids": HotQuery(
        pages_of(limit=MAX_LIMIT, ids=IDS, status=OPEN), {"tasks_public_id_key"}, LARGE, sorts=MAX_LIMIT
    ),
    "a task": HotQuery(lambda session: queries.task(session, A_TASK), {"tasks_public_id_key", "users_pkey"}, LARGE),
    "whether a task's page has changed": HotQuery(
        lambda session: queries.task_version(session, A_TASK),
        {"tasks_public_id_key", "users_pkey", "movements_of_task_idx"},
        LARGE,
    ),
    "a task's history": HotQuery(
        lambda session: queries.history(session, A_TASK, page=PageRequest()),
        {"tasks_pkey", "assignments_pkey", "task_edits_task_number_idx", "movements_of_task_idx"},
        LARGE,
        sorts=MAX_LIMIT,
    ),
    "the overview": HotQuery(queries.overview, {"tasks_open_idx", "reassignments_in_order_idx"}, LARGE),
    "a run": HotQuery(
        lambda session: queries.reassignment(session, A_RUN, role=Role.MANAGER),
        {"reassignments_pkey"},
        LARGE,
    ),
    "all runs": HotQuery(
        second_page(lambda session, page: queries.reassignments(session, role=Role.MANAGER, page=page)),
        {"reassignments_in_order_idx"},
        LARGE,
    ),
    "what a run did": HotQuery(
        second_page(lambda session, page: queries.reassigned(session, id_of("run99999"), role=Role.MANAGER, page=page)),
        {"assignments_of_run_idx", "assignments_pkey", "tasks_pkey"},
        LARGE,
    ),
    "what a run would do": HotQuery(
        lambda session: queries.preview(session, role=Role.MANAGER),
        {"tasks_open_idx", "reassignments_one_turn_idx"},
        LARGE,
    ),
    "a run that waits, and one that has its turn": HotQuery(
        commands.give_lost_turn, {"reassignments_waiting_idx"}, LARGE
    ),
    "a press": HotQuery(
        lambda session: commands.request_reassignment(session, requested_by=MANAGER, role=Role.MANAGER),
        {"tasks_open_idx", "reassignments_one_turn_idx"},
        LARGE,
        sorts=1,
    ),
    "a price": HotQuery(
        lambda session: commands.note_prices(
            session, [commands.Prices(task_id=A_TASK, fee_cents=1, reward_cents=2, priced_at=utc_now())]
        ),
        {"tasks_public_id_key"},
        LARGE,
    ),
    "a completion that comes too late": HotQuery(
        complete_too_late, {"tasks_public_id_key", "assignments_pkey"}, LARGE, sorts=1
    ),
    "a batch of a run": HotQuery(
        lambda session: commands.reassign_batch(session, A_RUN, sequence=1),
        {"tasks_open_idx", "tasks_pkey"},
        LARGE,
    ),
    "a run over the tasks of somebody blocked": HotQuery(reassign_somebody, {"tasks_assignee_idx"}, LARGE),
    "tasks that wait for somebody to assign": HotQuery(
        commands.give_away_waiting_tasks,
        {"tasks_assignee_idx", "reassignments_running_idx"},
        LARGE,
        sorts=100,
    ),
    "runs that stand still": HotQuery(
        lambda session: commands.ask_again(session, now=utc_now()), {"reassignments_running_idx"}, LARGE, sorts=1
    ),
    "a new task, sent twice": HotQuery(create_twice, {"request_keys_pkey", "tasks_public_id_key"}, LARGE, sorts=1),
    "keys that nobody will send again": HotQuery(
        lambda session: forget_old_keys(session, RequestKey, now=utc_now()),
        {"request_keys_created_at_idx"},
        LARGE,
    ),
}


@pytest.mark.parametrize("what", HOT)
def test_it_is_found_by_an_index_and_no_large_table_is_read_or_sorted_from_end_to_end(house: House, what: str) -> None:
    HOT[what].check(house.database)
