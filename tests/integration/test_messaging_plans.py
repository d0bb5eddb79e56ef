"""What relays, consumers and retention ask all the time stays quick among 100,000 events."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg2
import pytest

from chassis.db import Database
from chassis.settings import Settings
from messaging import outbox_status
from messaging.database import connect
from messaging.inbox import remember, was_handled
from messaging.outbox import delete_handled, delete_published, list_pending
from messaging.pending import PendingEvents
from tests.plans import HotQuery, Plans, fill, id_of

#: A day's events, of which the last 200 are pending, and an inbox of as many.
COMPANY = """
    INSERT INTO outbox (event_id, type, subject, sequence, correlation_id, body, created_at, published_at)
        SELECT md5('event' || n)::uuid, 'tracker.task_assigned.v1', md5('task' || n % 5000), n, md5('cause' || n)::uuid,
               convert_to(repeat('x', 600), 'UTF8'), timestamptz '2026-11-01' + n * interval '1 second',
               CASE WHEN n <= 99800 THEN timestamptz '2026-11-02' END
        FROM generate_series(1, 100000) n;
    INSERT INTO inbox SELECT md5('event' || n)::uuid, timestamptz '2026-11-01' + n * interval '1 second'
        FROM generate_series(1, 100000) n
"""
LARGE = {"outbox", "inbox"}
MEBIBYTE = 2**20
PENDING = 200
#: Events that the broker has yet to confirm: they are not fetched again.
IN_THE_AIR = range(99_801, 99_901)


@pytest.fixture(scope="module")
def settings(migrated: Callable[..., Any]) -> Settings:
    made: Settings = migrated("tracker")
    fill(made, COMPANY)
    return made


@pytest.fixture(scope="module")
def grown(settings: Settings) -> Iterator[Database]:
    made = Database(settings)
    yield made
    made.engine.dispose()


HOT = {
    "how much is pending": HotQuery(outbox_status, {"outbox_pending"}, LARGE),
    "the oldest that is pending": HotQuery(lambda session: list_pending(session, limit=100), {"outbox_pending"}, LARGE),
    "published events whose time is over": HotQuery(
        lambda session: delete_published(session, older_than=timedelta(days=1)), {"outbox_pkey"}, LARGE
    ),
    "published events, while the time of none is over": HotQuery(
        lambda session: delete_published(session, older_than=timedelta(days=10_000)), {"outbox_pkey"}, LARGE
    ),
    # The inbox is read in the order in which it lies, up to a thousand rows whose time is over.
    "handled events whose time is over": HotQuery(
        lambda session: delete_handled(session, older_than=timedelta(days=1)), {"inbox_pkey"}, {"outbox"}
    ),
    "handled events, while the time of none is over": HotQuery(
        lambda session: delete_handled(session, older_than=timedelta(days=10_000)),
        {"inbox_handled_at", "inbox_pkey"},
        LARGE,
    ),
    "a batch that is handled": HotQuery(
        lambda session: remember(session, [UUID(int=number) for number in range(1, 51)]), set(), LARGE
    ),
    "whether an event was handled": HotQuery(
        lambda session: was_handled(session, id_of("event7")), {"inbox_pkey"}, LARGE
    ),
}


@pytest.mark.parametrize("what", HOT)
def test_it_is_found_by_an_index_and_no_large_table_is_read_or_sorted_from_end_to_end(
    grown: Database, what: str
) -> None:
    HOT[what].check(grown)


@pytest.fixture
def relay_plans(monkeypatch: pytest.MonkeyPatch) -> Plans:
    """The plans of what a relay fetches and marks on a connection of its own, as that connection is set."""
    plans = Plans()

    class Explaining(psycopg2.extensions.cursor):
        def execute(self, statement: Any, parameters: Any = None) -> None:
            if "outbox" in statement:
                plans.explain(super(), statement, parameters)
            super().execute(statement, parameters)

    monkeypatch.setattr("messaging.pending.connect", partial(connect, cursor_factory=Explaining))
    return plans


def test_a_relay_finds_the_next_events_by_the_index_of_pending_ones(settings: Settings, relay_plans: Plans) -> None:
    with PendingEvents(settings.database_url) as events:
        found = events.fetch(1000, max_bytes=MEBIBYTE, besides=IN_THE_AIR)
        events.mark_published([event.id for event in found])
    assert len(found) == PENDING - len(IN_THE_AIR)
    relay_plans.check({"outbox_pending"}, LARGE, sorts=0)


def test_a_relay_that_holds_a_type_back_sorts_pending_events_alone(settings: Settings, relay_plans: Plans) -> None:
    with PendingEvents(settings.database_url) as events:
        assert not events.fetch(1000, max_bytes=MEBIBYTE, besides=[], not_with=["tracker.task_assigned.v1"])
    relay_plans.check({"outbox_pending"}, LARGE, sorts=2 * PENDING)
