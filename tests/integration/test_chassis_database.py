"""The database helpers against a real Postgres: replica of users, pages of a list, transactions, messages."""

import importlib
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from sqlalchemy import Engine, create_engine, delete, select, text, update
from sqlalchemy.exc import InternalError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from chassis import pool
from chassis.database_errors import refusal_of_database
from chassis.db import Database, new_metadata, utc_now
from chassis.errors import Busy, Invalid, TakesTooLong, Unavailable
from chassis.paging import Order, Page, PageRequest, fetch_page
from chassis.people import (
    Claims,
    EndedSessionReplica,
    LocalUser,
    Role,
    UserReplica,
    end_session,
    find_user_in,
    upsert_user,
)
from chassis.runtime import EXTENSION
from chassis.settings import DEFAULT_PORTS
from deploy.databases import ServiceDatabase
from messaging import Event, ForeignEvent, VersionedAggregate, outbox_status, publish, tables
from tests.chassis_parts import KESHA, People, bearer, demo_app, settings

CHANGED_AT = datetime(2026, 11, 21, 5, tzinfo=UTC)


class Base(DeclarativeBase):
    metadata = new_metadata()


class User(UserReplica, Base):
    __tablename__ = "users"


class EndedSession(EndedSessionReplica, Base):
    __tablename__ = "ended_sessions"


class Perch(VersionedAggregate, Base):
    __tablename__ = "perches"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    height: Mapped[int]


@pytest.fixture
def house(database: Callable[..., ServiceDatabase], tmp_path: Path) -> Database:
    """A database of its own with the tables of this house and of messaging."""
    made = Database(settings(tmp_path, database_url=database("tracker").owner_url))
    Base.metadata.create_all(made.engine)
    tables.metadata.create_all(made.engine)
    with made.engine.begin() as connection:
        connection.execute(text("INSERT INTO relay_progress VALUES (1, 0)"))
    return made


def url_of(house: Database) -> str:
    return house.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def user_event(sequence: int, **changes: str) -> Event:
    data = {
        "user_id": str(KESHA),
        "name": "Kesha",
        "email": "kesha@popug.example",
        "role": "popug",
        "status": "active",
        "changed_at": CHANGED_AT.isoformat(),
    }
    return Event.new("auth.user_updated.v1", subject=str(KESHA), sequence=sequence, data={**data, **changes})


def sign_out_event(session_id: UUID, at: datetime) -> Event:
    data = {"sign_in_id": str(session_id), "user_id": str(KESHA), "signed_out_at": at.isoformat()}
    return Event.new("auth.user_signed_out.v1", subject=str(session_id), sequence=2, data=data)


def found(
    house: Database, issued_at: datetime, *, user_id: UUID = KESHA, session_id: UUID | None = None
) -> LocalUser | None:
    """Look up the holder of what was issued then."""
    claims = Claims(user_id, "", Role.POPUG, session_id or uuid4(), issued_at=issued_at, confirmed_at=issued_at)
    return find_user_in(house, User, EndedSession)(claims)


def task_event(sequence: int) -> Event:
    data = {"task_id": str(uuid4()), "assignee_id": str(KESHA), "completed_at": "2026-11-21T05:00:00Z"}
    return Event.new("tracker.task_completed.v1", subject=data["task_id"], sequence=sequence, data=data)


def test_a_user_is_copied_and_kept_up_to_date(house: Database) -> None:
    with house.transaction() as session:
        assert upsert_user(session, User, user_event(1))
        assert upsert_user(session, User, user_event(2, role="boss", status="blocked"))
    assert found(house, CHANGED_AT + timedelta(seconds=1)) == LocalUser(KESHA, "Kesha", "boss", "blocked")
    assert found(house, CHANGED_AT, user_id=uuid4()) is None


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
def test_what_was_issued_before_a_block_stays_dead_in_whatever_order_the_events_come(
    house: Database, order: tuple[int, ...]
) -> None:
    times = {n: (CHANGED_AT + timedelta(seconds=10 * n)).isoformat() for n in order}
    statuses = {1: "active", 2: "blocked", 3: "active"}
    for n in order:
        with house.transaction() as session:
            upsert_user(session, User, user_event(n, status=statuses[n], changed_at=times[n]))
    blocked_at = CHANGED_AT + timedelta(seconds=20)
    for issued_at, ended in ((blocked_at, True), (blocked_at + timedelta(seconds=1), False)):
        user = found(house, issued_at)
        assert user is not None
        assert (user.status, user.session_ended) == ("active", ended)


def test_a_session_that_was_signed_out_is_known_as_long_as_something_of_it_may_be_left(house: Database) -> None:
    now = utc_now()
    old, new = uuid4(), uuid4()
    with house.transaction() as session:
        upsert_user(session, User, user_event(1))
        end_session(session, EndedSession, sign_out_event(new, now))
        end_session(session, EndedSession, sign_out_event(new, now))
        end_session(session, EndedSession, sign_out_event(old, now - timedelta(minutes=11)))
    assert found(house, now, session_id=new) == LocalUser(KESHA, "Kesha", "popug", "active", session_ended=True)
    assert found(house, now, session_id=old) == LocalUser(KESHA, "Kesha", "popug", "active")
    with time_machine.travel(now + timedelta(minutes=11)), house.transaction() as session:
        end_session(session, EndedSession, sign_out_event(other := uuid4(), utc_now()))
        assert session.scalars(select(EndedSession.session_id)).all() == [other]


def test_an_older_event_about_a_user_changes_nothing(house: Database) -> None:
    with house.transaction() as session:
        upsert_user(session, User, user_event(3, name="Kesha the Third"))
        assert not upsert_user(session, User, user_event(2, name="Kesha the Second"))
        assert not upsert_user(session, User, user_event(3, name="Kesha again"))
        user = session.get(User, KESHA)
    assert user is not None
    assert user.name == "Kesha the Third"


def test_a_user_who_is_in_the_session_already_is_seen_as_the_event_says(house: Database) -> None:
    with house.transaction() as session:
        upsert_user(session, User, user_event(1))
        loaded = session.get(User, KESHA)
        upsert_user(session, User, user_event(2, name="Kesha the Second"))
        assert loaded is not None
        assert loaded.name == "Kesha the Second"


def test_whatever_order_the_events_arrive_in_the_newest_wins(house: Database) -> None:
    events = [user_event(n, name=f"Kesha {n}") for n in range(1, 8)]
    random.Random(7).shuffle(events)
    for event in events:
        with house.transaction() as session:
            upsert_user(session, User, event)
    user = found(house, utc_now())
    assert user is not None
    assert user.name == "Kesha 7"


def test_a_list_page_by_page_is_the_whole_list_in_order(house: Database) -> None:
    with house.transaction() as session:
        session.add_all(Perch(height=height % 4) for height in range(23))
    for descending in (False, True):
        with house.reading() as session:
            pages, page = [], PageRequest(limit=5)
            while True:
                found = fetch_page(session, select(Perch), Order((Perch.height, Perch.id), descending), page)
                pages.append(found.items)
                if found.next_cursor is None:
                    break
                page = PageRequest(limit=5, cursor=found.next_cursor)
        assert [len(items) for items in pages] == [5, 5, 5, 5, 3]
        seen = [(perch.height, perch.id) for items in pages for perch in items]
        assert seen == sorted(set(seen), reverse=descending)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_in_a_list_from_the_first_page_to_the_last_is_on_one_page(house: Database, seed: int) -> None:
    chance = random.Random(seed)
    with house.transaction() as session:
        perches = [Perch(height=height) for height in range(30)]
        session.add_all(perches)
    seen: list[UUID] = []
    gone: set[UUID] = set()
    page: PageRequest | None = PageRequest(limit=4)
    while page is not None:
        with house.transaction() as session:
            found = fetch_page(session, select(Perch), Order((Perch.id,)), page)
            seen += [perch.id for perch in found.items]
            for perch in chance.sample(perches, 3):  # what a list is not ordered by may change
                session.execute(update(Perch).where(Perch.id == perch.id).values(height=chance.randrange(100)))
            lost = chance.choice(perches).id
            session.execute(delete(Perch).where(Perch.id == lost))
            gone.add(lost)
            session.add(Perch(height=chance.randrange(100)))
        page = PageRequest(4, found.next_cursor) if found.next_cursor else None
    assert len(seen) == len(set(seen))
    assert {perch.id for perch in perches} - gone <= set(seen)


@pytest.mark.parametrize("descending", [False, True])
def test_a_list_reads_the_same_backwards(house: Database, descending: bool) -> None:
    with house.transaction() as session:
        session.add_all(Perch(height=height % 4) for height in range(23))
    order = Order((Perch.height, Perch.id), descending)
    with house.reading() as session:
        there = pages_of(session, order, "next_cursor", PageRequest(limit=5))
        last = PageRequest(limit=5, cursor=there[-2].next_cursor)
        back = pages_of(session, order, "prev_cursor", last)
    assert [page.items for page in back] == [page.items for page in reversed(there)]
    assert there[0].prev_cursor is None
    assert [page.next_cursor is None for page in back] == [True, False, False, False, False]


def pages_of(session: Session, order: Order, way: str, page: PageRequest) -> list[Page[Perch]]:
    """The pages from this one on, one way or the other."""
    found = [fetch_page(session, select(Perch), order, page)]
    while cursor := getattr(found[-1], way):
        found.append(fetch_page(session, select(Perch), order, replace(page, cursor=cursor)))
    return found


def test_from_a_page_whose_items_have_gone_the_way_back_misses_nobody(house: Database) -> None:
    with house.transaction() as session:
        session.add_all(Perch(height=height) for height in range(6))
    order, page = Order((Perch.height,)), PageRequest(limit=3)
    with house.transaction() as session:
        first = fetch_page(session, select(Perch), order, page)
        second = fetch_page(session, select(Perch), order, replace(page, cursor=first.next_cursor))
        session.execute(delete(Perch).where(Perch.height >= 3))
        empty = fetch_page(session, select(Perch), order, replace(page, cursor=first.next_cursor))
        back = fetch_page(session, select(Perch), order, replace(page, cursor=empty.prev_cursor))
        assert (empty.items, empty.next_cursor, back.items) == ([], None, first.items)
        session.execute(delete(Perch))
        empty = fetch_page(session, select(Perch), order, replace(page, cursor=second.prev_cursor))
        session.add_all(Perch(height=height) for height in range(6))
        session.flush()
        again = fetch_page(session, select(Perch), order, replace(page, cursor=empty.next_cursor))
        assert [perch.height for perch in again.items] == [3, 4, 5]


def test_a_cursor_counts_only_with_the_filters_that_it_is_of(house: Database) -> None:
    with house.transaction() as session:
        session.add_all(Perch(height=height) for height in range(3))
    order, page = Order((Perch.id,)), PageRequest(limit=1).about({"height": 1})
    with house.reading() as session:
        cursor = fetch_page(session, select(Perch), order, page).next_cursor
        assert fetch_page(session, select(Perch), order, replace(page, cursor=cursor)).items
        for other in (PageRequest(limit=1), PageRequest(limit=1).about({"height": 2})):
            with pytest.raises(Invalid):
                fetch_page(session, select(Perch), order, replace(other, cursor=cursor))


def test_who_waits_too_long_for_somebody_else_is_told_so(house: Database) -> None:
    with house.transaction() as first, house.reading() as second:
        first.execute(text("LOCK TABLE perches"))
        second.execute(text("SET LOCAL lock_timeout = '20ms'"))
        with pytest.raises(OperationalError) as waited:
            second.execute(select(Perch))
    assert isinstance(refusal_of_database(waited.value), Busy)


def test_who_asks_for_too_much_is_told_so(house: Database) -> None:
    with house.reading() as session:
        session.execute(text("SET LOCAL statement_timeout = '20ms'"))
        with pytest.raises(OperationalError) as given_up:
            session.execute(text("SELECT count(*) FROM generate_series(1, 1000000000)"))
    assert isinstance(refusal_of_database(given_up.value), TakesTooLong)


def test_a_database_that_is_away_is_told_from_one_that_is_busy(tmp_path: Path) -> None:
    with pytest.raises(OperationalError) as nobody_there:
        Database(settings(tmp_path)).engine.connect()
    assert type(refusal_of_database(nobody_there.value)) is Unavailable


def test_a_list_of_several_columns_gives_rows(house: Database) -> None:
    with house.transaction() as session:
        session.add(Perch(height=2))
    with house.reading() as session:
        page = fetch_page(session, select(Perch.height, Perch.version), Order((Perch.id,)), PageRequest())
    assert page.items == [(2, 0)]
    assert page.next_cursor is None


def test_a_cursor_of_another_list_is_refused(house: Database) -> None:
    with house.reading() as session, pytest.raises(Invalid):
        fetch_page(session, select(Perch), Order((Perch.id,)), PageRequest(cursor="WyJhcmEiXQ"))


def test_a_transaction_that_fails_leaves_nothing(house: Database) -> None:
    with pytest.raises(ZeroDivisionError), house.transaction() as session:
        session.add(Perch(height=1))
        session.flush()
        publish(session, task_event(1))
        raise ZeroDivisionError
    with house.reading() as session:
        assert session.scalars(select(Perch)).all() == []
        assert session.scalars(select(tables.OutboxEvent)).all() == []


def test_who_reads_cannot_write(house: Database) -> None:
    with house.reading() as session, pytest.raises(InternalError, match="read-only"):
        session.add(Perch(height=1))
        session.flush()
    with house.transaction() as session:
        session.add(Perch(height=1))


def test_times_come_back_in_utc(house: Database) -> None:
    with house.reading() as session:
        now = session.scalar(text("SELECT now()"))
    assert isinstance(now, datetime)
    assert now.utcoffset() == datetime.now(UTC).utcoffset()


def test_nobody_publishes_the_events_of_another_service(house: Database) -> None:
    with (
        house.transaction() as session,
        pytest.raises(ForeignEvent, match=r"tracker publishes no events of auth: auth\.user_updated\.v1"),
    ):
        publish(session, user_event(1))
    with house.reading() as session:
        assert outbox_status(session).pending == 0


def test_the_database_may_be_restarted_between_two_requests(house: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "TRIED_AFTER", 0)  # a restart takes longer, this imitation of it may not
    with house.reading() as session:
        session.execute(text("SELECT 1"))
    other: Engine = create_engine(house.engine.url)
    with other.begin() as connection:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tracker'")
        )
    other.dispose()
    with house.reading() as session:
        assert session.scalar(text("SELECT 1")) == 1


def test_a_connection_is_tried_unless_somebody_used_it_just_now(
    house: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []
    monkeypatch.setattr(house.engine.dialect, "do_ping", tried.append)
    for seconds, tries in ((3600, 0), (0, 2)):
        monkeypatch.setattr(pool, "TRIED_AFTER", seconds)
        for _ in range(2):
            with house.reading() as session:
                session.execute(text("SELECT 1"))
        assert len(tried) == tries


def test_an_administrator_sees_how_far_the_outbox_is(house: Database, tmp_path: Path) -> None:
    with house.transaction() as session:
        publish(session, task_event(1))
    client = demo_app(settings(tmp_path, database_url=url_of(house)), People()).test_client()
    outbox = client.get("/api/v1/messages/outbox", headers=bearer(role="admin")).get_json()
    assert outbox["pending"] == 1
    assert outbox["oldest_pending_seconds"] >= 0
    assert outbox["published_total"] == 0
    assert client.get("/api/v1/messages/outbox", headers=bearer(role="boss")).status_code == 403


def test_what_stands_in_the_database_is_measured_whenever_somebody_asks(house: Database, tmp_path: Path) -> None:
    client = demo_app(settings(tmp_path, database_url=url_of(house)), People()).test_client()
    for pending in (1.0, 2.0):
        with house.transaction() as session:
            publish(session, task_event(int(pending)))
        assert f'outbox_pending{{service="tracker"}} {pending}' in client.get("/metrics").text
    text = client.get("/metrics").text
    assert 'outbox_oldest_pending_seconds{service="tracker"}' in text
    assert 'outbox_published_total{service="tracker"} 0.0' in text
    assert 'dead_letters_open{service="tracker"} 0.0' in text
    assert 'events_waiting{service="tracker"} 0.0' in text
    assert 'health_ready{service="tracker"} 1.0' in text
    assert client.get("/readyz").json == {"status": "ready", "doing": "serving"}


def test_dead_letters_are_listed_by_reason_page_by_page(house: Database, tmp_path: Path) -> None:
    with house.transaction() as session:
        for number in range(5):
            session.add(
                tables.HeldMessage(
                    state="dead",
                    id=uuid4(),
                    type="auth.user_updated.v1",
                    reason="schema-invalid" if number % 2 == 0 else "unknown-type",
                    detail="what is wrong",
                    attempts=1,
                    body=b'{"n": %d}' % number,
                    content_type="application/cloudevents+json",
                    headers={},
                )
            )
            session.flush()
    client = demo_app(settings(tmp_path, database_url=url_of(house)), People()).test_client()
    url = "/api/v1/messages/dead-letters?reason=schema-invalid&limit=2"
    first = client.get(url, headers=bearer(role="admin")).get_json()
    second = client.get(f"{url}&cursor={first['next_cursor']}", headers=bearer(role="admin")).get_json()
    assert [letter["event"]["n"] for letter in first["items"] + second["items"]] == [0, 2, 4]
    assert second["next_cursor"] is None
    back = client.get(f"{url}&cursor={second['prev_cursor']}", headers=bearer(role="admin")).get_json()
    assert (back["items"], back["prev_cursor"]) == (first["items"], None)
    other = url.replace("schema-invalid", "unknown-type")
    refused = client.get(f"{other}&cursor={first['next_cursor']}", headers=bearer(role="admin"))
    assert (refused.status_code, list(refused.get_json()["errors"])) == (422, ["cursor"])
    assert set(first["items"][0]) >= {"id", "event", "reason", "attempts", "died_at"}


@pytest.mark.parametrize("service", list(DEFAULT_PORTS))
def test_a_request_does_not_wait_for_ever_for_a_statement_while_other_processes_may(
    service: str, migrated: Callable[..., Any]
) -> None:
    given = migrated(service)
    web = importlib.import_module(f"{service}_service.app").create_app(given).extensions[EXTENSION].database
    for database, timeout in ((web, "30s"), (Database(given), "0")):
        with database.reading() as session:
            assert session.scalar(text("SHOW statement_timeout")) == timeout
        database.engine.dispose()
