"""What an operator relies on while a service works: old messages go, failures say what they belong to."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY, CollectorRegistry
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from chassis.db import Database, utc_now
from chassis.observe import EventObserver
from chassis.scheduler import forget_old_messages
from chassis.settings import Settings
from messaging import Event, PermanentError
from messaging.dead_letters import Action, State
from messaging.tables import DeadLetterAction, HeldMessage, InboxEvent, OutboxEvent
from tests.integration.messaging_house import SOLD, House
from tests.waiting import eventually

YEAR = timedelta(days=366)
DAY = timedelta(days=1)


@pytest.fixture
def tracker(migrated: Callable[..., Settings]) -> Settings:
    return migrated("tracker")


def add_old_and_new(session: Session, *, rows: int) -> None:
    """So many rows of each kind on both sides of their time, and some that are old and must stay."""
    now = utc_now()
    for made_at in (now - YEAR - DAY, now - YEAR + DAY):
        session.execute(insert(OutboxEvent), [event(made_at, published_at=now) for _ in range(rows)])
    session.execute(insert(OutboxEvent), [event(now - YEAR - DAY, published_at=None)])
    for handled_at in (now - YEAR - 31 * DAY, now - YEAR - 29 * DAY):
        session.execute(insert(InboxEvent), [{"event_id": uuid4(), "handled_at": handled_at} for _ in range(rows)])


def event(made_at: object, *, published_at: object) -> dict[str, object]:
    return {
        "event_id": uuid4(),
        "type": f"{SOLD}.v1",
        "subject": "1",
        "sequence": 1,
        "correlation_id": uuid4(),
        "body": b"{}",
        "created_at": made_at,
        "published_at": published_at,
    }


def add_letter(session: Session, state: State, *, closed: timedelta) -> UUID:
    """A letter that died two years ago, and with which something happened that long ago."""
    letter_id, at = uuid4(), utc_now() - closed
    letter = {"type": f"{SOLD}.v1", "reason": "r", "detail": "", "attempts": 1, "body": b"{}", "content_type": "text"}
    due = {"due_at": utc_now()} if state is State.REPLAY_REQUESTED else {}
    session.add(HeldMessage(id=letter_id, state=state, headers={}, died_at=utc_now() - 2 * YEAR, **due, **letter))
    session.add(DeadLetterAction(letter_id=letter_id, action=Action.REPLAYED, at=at))
    return letter_id


def forgotten(what: str) -> float:
    return REGISTRY.get_sample_value("messages_forgotten_total", {"service": "tracker", "what": what}) or 0


def test_what_was_published_and_handled_goes_when_its_time_is_over_and_is_counted(tracker: Settings) -> None:
    database, rows = Database(tracker), 1200  # more than one batch
    with database.transaction() as session:
        add_old_and_new(session, rows=rows)
    before = {what: forgotten(what) for what in ("outbox", "inbox")}
    forget_old_messages(tracker, database)
    with database.reading() as session:
        left = {table: session.scalar(text(f"SELECT count(*) FROM {table}")) for table in ("outbox", "inbox")}
    assert left == {"outbox": rows + 1, "inbox": rows}
    assert {what: forgotten(what) - before[what] for what in before} == {"outbox": rows, "inbox": rows}


def test_a_dead_letter_goes_when_it_is_long_closed_and_its_history_stays(tracker: Settings) -> None:
    database = Database(tracker)
    with database.transaction() as session:
        gone = [add_letter(session, state, closed=YEAR + DAY) for state in (State.REPLAYED, State.DISCARDED)]
        stays = [
            add_letter(session, State.DISCARDED, closed=YEAR - DAY),
            *(add_letter(session, state, closed=YEAR + DAY) for state in (State.DEAD, State.REPLAY_REQUESTED)),
        ]
    forget_old_messages(tracker, database)
    with database.reading() as session:
        assert set(session.scalars(select(HeldMessage.id))) == set(stays)
        assert set(session.scalars(select(DeadLetterAction.letter_id))) == {*gone, *stays}


def test_every_failure_that_the_consumer_writes_down_names_the_event_and_its_cause(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_session: Session, event: Event) -> None:
        if event.data["n"] == 1:
            raise PermanentError("never")
        raise ZeroDivisionError

    house.handler = fail
    house.relay()
    house.consumer()
    with caplog.at_level(logging.WARNING):
        never, later = house.sell("apples", 1), house.sell("pears", 2)
        # The line about a death is written after its commit.
        eventually(lambda: sum(record.getMessage().startswith("dead letter") for record in caplog.records) == 2)

    def said_of(event: Event) -> set[str]:
        about = (str(event.correlation_id), str(event.id), event.type)
        return {
            record.getMessage().split(" ")[0]
            for record in caplog.records
            if record.name == "messaging.handling"
            and (
                getattr(record, "correlation_id", ""),
                getattr(record, "event_id", ""),
                getattr(record, "event_type", ""),
            )
            == about
        }

    assert said_of(never) == {"dead"}
    assert said_of(later) == {f"{SOLD}.v2", "giving", "dead"}


def test_relay_and_consumer_count_and_time_what_really_happens(house: House) -> None:
    selling, buying = EventObserver("shop"), EventObserver("till")
    house.relay(observer=selling)
    house.consumer(observer=buying)
    for n in range(30):
        house.sell(f"apples-{n % 3}", n)
    house.wait_for_effects(30)
    told = CollectorRegistry()
    told.register(selling)
    lags = CollectorRegistry()
    lags.register(buying)
    eventually(lambda: told.get_sample_value("outbox_confirm_seconds_count", {"service": "shop"}) == 30)
    labels = {"service": "till", "event": SOLD}
    eventually(lambda: lags.get_sample_value("events_effect_seconds_count", labels) == 30)
    assert lags.get_sample_value("events_consumed_total", {**labels, "outcome": "done"}) == 30


def test_a_consumer_shows_that_it_goes_on_before_each_event_of_a_batch(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.subscribe()
    house.relay()
    for n in range(50):
        house.sell(f"apples-{n}")
    eventually(lambda: house.pending() == 0)
    consumer, rounds, seen = house.make_consumer(), 0, []

    def come_round() -> None:
        nonlocal rounds
        rounds += 1

    monkeypatch.setattr(consumer.health, "come_round", come_round)
    house.handler = lambda _session, _event: seen.append(rounds)
    stop = threading.Event()
    thread = threading.Thread(target=consumer.run, args=(stop,))
    thread.start()
    house.wait_for_effects(50)
    stop.set()
    thread.join()
    assert len(set(seen)) == len(seen) == 50
