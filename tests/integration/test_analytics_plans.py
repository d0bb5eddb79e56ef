"""What is asked often stays quick after years of movements: Postgres finds it by an index."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from analytics_service import commands, queries
from analytics_service.commands import Balance, Name, Posting
from analytics_service.domain.calendar import Period, Span
from chassis.db import Database
from tests.plans import HotQuery, fill, id_of

#: Two years of 10,000 people, of whom every hundredth is below zero: 100,000 movements, every fifth a reward.
COMPANY = """
    INSERT INTO users (user_id, name, email, role, status, sequence)
        SELECT md5('user' || n)::uuid, 'Popug ' || n, 'popug@x.example', 'popug', 'active', 1
        FROM generate_series(1, 10000) n;
    INSERT INTO tasks SELECT md5('task' || n)::uuid, 'Task ' || n, NULL, 1 FROM generate_series(1, 100000) n;
    INSERT INTO accounts
        SELECT md5('account' || n)::uuid, md5('user' || n)::uuid, CASE WHEN n % 100 = 0 THEN -n ELSE 100 END, 1
        FROM generate_series(1, 10000) n;
    INSERT INTO account_days
        SELECT md5('account' || 1 + n % 10000)::uuid, date '2024-12-01' + n / 10000 * 70,
               CASE WHEN (1 + n % 10000) % 100 = 0 THEN -(1 + n % 10000) ELSE 100 END
        FROM generate_series(0, 99999) n;
    INSERT INTO movements
        SELECT md5('movement' || n)::uuid, md5('account' || 1 + n % 10000)::uuid,
               CASE WHEN n % 5 = 0 THEN 'reward' ELSE 'fee' END, md5('task' || n)::uuid,
               n * 7919 % 4000, date '2024-12-01' + n % 720, timestamptz '2024-12-01' + n % 720 * interval '1 day'
        FROM generate_series(1, 100000) n;
    INSERT INTO income_days
        SELECT date '2024-12-01' + n, 100, 50, 50, timestamptz '2024-12-01', 1 FROM generate_series(0, 719) n;
    INSERT INTO closed_days
        SELECT date '2024-12-01' + n, 100, 50, 50, 0, timestamptz '2024-12-01' FROM generate_series(0, 718) n;
    INSERT INTO movement_days
        SELECT date '2024-12-01' + n, 100, 50, n % 3 - 1, timestamptz '2024-12-01' FROM generate_series(0, 719) n
"""
LARGE = {"users", "tasks", "accounts", "account_days", "movements"}
DAY = date(2026, 11, 20)
MONTH = Span(date(2026, 10, 22), DAY)
YEAR = Span(date(2025, 11, 21), DAY)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def grown(migrated: Callable[..., Any]) -> Iterator[Database]:
    settings = migrated("analytics")
    fill(settings, COMPANY)
    made = Database(settings)
    yield made
    made.engine.dispose()


def learn_of_a_movement(session: Session) -> None:
    account_id, user_id = id_of("account7"), id_of("user7")
    balance = Balance(account_id=account_id, user_id=user_id, balance_cents=50, sequence=2)
    posting = Posting(
        transaction_id=UUID(int=1),
        balance=balance,
        kind="fee",
        task_id=UUID(int=2),
        amount_cents=-50,
        business_day=DAY,
        posted_at=NOON,
    )
    commands.note_money(session, [posting], [])


def rename_a_task(session: Session) -> None:
    commands.name_tasks(session, [Name(task_id=id_of("task7"), title="Fly", jira_id=None, sequence=2)])


HOT = {
    "today": HotQuery(
        lambda session: queries.today(session, DAY), {"accounts_below_zero_idx", "income_days_pkey"}, LARGE
    ),
    "which day it is": HotQuery(queries.current_day, {"closed_days_pkey"}, LARGE | {"closed_days"}),
    "who is below zero": HotQuery(lambda session: queries.below_zero(session, 20), {"accounts_below_zero_idx"}, LARGE),
    "a month day by day": HotQuery(lambda session: queries.days(session, MONTH), {"income_days_pkey"}, LARGE),
    "a year day by day": HotQuery(lambda session: queries.days(session, YEAR), set(), LARGE),
    "the top tasks of a month": HotQuery(
        lambda session: queries.top(session, MONTH, Period.DAY), {"movements_top_task_idx", "tasks_pkey"}, LARGE
    ),
    "the top tasks of a year": HotQuery(
        lambda session: queries.top(session, YEAR, Period.MONTH), {"movements_top_task_idx", "tasks_pkey"}, LARGE
    ),
    "whether billing agrees": HotQuery(
        lambda session: queries.reconcile(session, NOON), {"account_days_pkey"}, LARGE - {"accounts"}
    ),
    "a movement that is heard of": HotQuery(learn_of_a_movement, {"account_days_pkey"}, LARGE),
    "a task that is renamed": HotQuery(rename_a_task, set(), LARGE),
}


@pytest.mark.parametrize("what", HOT)
def test_it_is_found_by_an_index_and_no_large_table_is_read_or_sorted_from_end_to_end(
    grown: Database, what: str
) -> None:
    HOT[what].check(grown)
