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
from messaging import Event, handled_per_minute, held, outbox_status, published_per_minute, trail
from messaging.dead_letters import FieldIs, State, count_dead_letters, list_dead_letters, mirrored
from messaging.driver import connect
from messaging.inbox import remember, was_handled
from messaging.outbox import delete_handled, delete_published, list_pending
from messaging.outbox_reader import OutboxReader
from messaging.received import Received
from tests.integration.messaging_letters import as_sent
from tests.plans import HotQuery, Plans, fill, id_of

#: A day's events, of which the last 200 are pending, and an inbox of as many.
COMPANY = """
    INSERT INTO outbox (event_id, type, subject, sequence, correlation_id, body, created_at, published_at)
        SELECT md5('event' || n)::uuid, 'tracker.task_assigned.v1', md5('task' || n % 5000), n, md5('cause' || n)::uuid,
               convert_to('{"data": {"x": "' || repeat('x', 600) || '"}}', 'UTF8'),
               timestamptz '2026-11-01' + n * interval '1 second',
               CASE WHEN n <= 99800 THEN timestamptz '2026-11-02' END
        FROM generate_series(1, 100000) n;
    INSERT INTO inbox SELECT md5('event' || n)::uuid, timestamptz '2026-11-01' + n * interval '1 second'
        FROM generate_series(1, 100000) n;
    INSERT INTO held_message (id, state, deaths, type, reason, aggregate, sequence, strict, due_at, body, content_type,
                              headers, died_at, mirrored_at)
        SELECT md5('held' || n)::uuid, state, CASE WHEN state IN ('waiting', 'blocked') THEN 0 ELSE 1 END,
               'tracker.task_assigned.v1', 'schema-invalid', 'tracker/' || n % 20000, n, n % 2 = 0,
               CASE state WHEN 'waiting' THEN now() WHEN 'replay_requested' THEN now() END,
               convert_to(repeat('x', 600), 'UTF8'), 'text', '{}', timestamptz '2026-11-01' + n * interval '1 second',
               CASE WHEN state = 'dead' AND n % 1000 <> 1 THEN now() END
        FROM generate_series(1, 100000) n,
             LATERAL (SELECT CASE WHEN n <= 70000 THEN 'replayed' WHEN n <= 90000 THEN 'dead'
                                  WHEN n <= 90500 THEN 'waiting'
                                  WHEN n <= 91000 THEN 'replay_requested' ELSE 'blocked' END AS state) AS standing
"""
LARGE = {"outbox", "inbox", "held_message"}
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


BATCH = [
    Received(as_sent(event), event)
    for event in (Event.new("tracker.task_assigned.v1", subject=str(n), sequence=n, data={}) for n in range(1, 201))
]

HOT = {
    "how much is pending": HotQuery(outbox_status, {"outbox_pending"}, LARGE),
    "how much was published lately": HotQuery(published_per_minute, {"outbox_pending", "outbox_pkey"}, LARGE),
    "how much was handled lately": HotQuery(handled_per_minute, {"inbox_handled_at"}, {"outbox", "held_message"}),
    "letters of a reason by a field of their events": HotQuery(
        lambda session: list_dead_letters(
            session, limit=50, type="tracker.task_assigned.v1", reason="schema-invalid", field=FieldIs(("id",), "7")
        ),
        {"held_message_open"},
        LARGE,
    ),
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
    "how the events of a batch stand": HotQuery(
        lambda session: held.look_up(session, BATCH), {"held_message_line", "held_message_pkey"}, LARGE
    ),
    "what is due, and who waits behind it": HotQuery(
        lambda session: held.take_due(session, "billing", UUID(int=1), limit=200),
        {"held_message_due", "held_message_line"},
        LARGE,
        sorts=1000,
    ),
    "who follows in a line": HotQuery(
        lambda session: held.release(session, ["tracker/7", "tracker/8"]), {"held_message_line"}, LARGE
    ),
    "how many wait": HotQuery(held.count_waiting, {"held_message_held"}, LARGE),
    "a page of those that wait behind others": HotQuery(
        lambda session: list_dead_letters(session, limit=50, states=(State.BLOCKED,)), {"held_message_held"}, LARGE
    ),
    "how many letters are open": HotQuery(count_dead_letters, {"held_message_open"}, LARGE),
    "a page of the open letters of one reason": HotQuery(
        lambda session: list_dead_letters(
            session, limit=50, after=75_000, type="tracker.task_assigned.v1", reason="schema-invalid"
        ),
        {"held_message_open"},
        LARGE,
    ),
    "letters that lack a message in the queue": HotQuery(
        lambda session: mirrored.letters_to_send(session, 500), {"held_message_to_mirror"}, LARGE
    ),
    "whether a message is to leave the queue": HotQuery(mirrored.some_have_to_go, {"held_message_to_mirror"}, LARGE),
    "how many messages the queue should hold": HotQuery(mirrored.count_mirrored, {"held_message_mirrored"}, LARGE),
    "a batch that is handled": HotQuery(
        lambda session: remember(session, [UUID(int=number) for number in range(1, 51)]), set(), LARGE
    ),
    "what was made of a thread of causes": HotQuery(
        lambda session: trail.events_made(session, id_of("cause7"), limit=100),
        {"outbox_trails", "outbox_pkey"},
        LARGE,
        sorts=100,
    ),
    "which events of a thread were handled": HotQuery(
        lambda session: trail.events_handled(session, [id_of("event7"), id_of("event8")]), {"inbox_pkey"}, LARGE
    ),
    "what is in trouble of a thread": HotQuery(
        lambda session: trail.events_held(session, id_of("cause7"), [id_of("held7")], limit=100),
        {"held_message_trail", "held_message_pkey"},
        LARGE,
        sorts=100,
    ),
    "the threads of an event": HotQuery(
        lambda session: trail.threads_of(session, str(id_of("event7")), limit=50),
        {"outbox_trails", "held_message_trail", "held_message_pkey"},
        LARGE,
        sorts=100,
    ),
    "the threads of an aggregate": HotQuery(
        lambda session: trail.threads_of(session, id_of("task7").hex, limit=50),
        {"outbox_trails"},
        LARGE,
        sorts=1000,
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

    monkeypatch.setattr("messaging.outbox_reader.connect", partial(connect, cursor_factory=Explaining))
    return plans


def test_a_relay_finds_the_next_events_by_the_index_of_pending_ones(settings: Settings, relay_plans: Plans) -> None:
    with OutboxReader(settings.database_url) as events:
        found = events.fetch(1000, max_bytes=MEBIBYTE, besides=IN_THE_AIR)
        events.mark_published([event.id for event in found])
    assert len(found) == PENDING - len(IN_THE_AIR)
    relay_plans.check({"outbox_pending"}, LARGE, sorts=0)


def test_a_relay_that_holds_a_type_back_sorts_pending_events_alone(settings: Settings, relay_plans: Plans) -> None:
    with OutboxReader(settings.database_url) as events:
        assert not events.fetch(1000, max_bytes=MEBIBYTE, besides=[], not_with=["tracker.task_assigned.v1"])
    relay_plans.check({"outbox_pending"}, LARGE, sorts=2 * PENDING)
