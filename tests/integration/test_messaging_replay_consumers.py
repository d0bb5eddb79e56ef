"""What a replay means to the live consumers, and what becomes of events that fail in it."""

import threading
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from messaging import Consumer, Event, PermanentError, RetryLater
from messaging.dead_letters import Actor, Decision, decide, replay_edited
from messaging.envelope import CONTENT_TYPE
from messaging.errors import ReplayRefused
from messaging.replay import abandon
from messaging.replay.pause import begin
from messaging.topology import events_queue
from messaging.transport import Message
from tests.integration.messaging_house import SOLD, House
from tests.integration.messaging_replays import (
    ODD,
    content,
    is_paused,
    rebuild,
    shelves_in_order,
    stock,
)
from tests.waiting import eventually

SOMEBODY = Actor("Somebody")


def test_live_consumers_pause_and_say_so_and_go_on_by_themselves(house: House) -> None:
    house.relay()
    consumer = house.consumer()
    with house.sessions.begin() as session:
        begin(session, "a replay that was cut short")
    eventually(lambda: "replay" in consumer.health.doing and not consumer.health.ready)
    house.sell("apples")
    house.send_raw(b"not an event")
    eventually(lambda: house.pending() == 0)
    assert (house.effects(), house.dead_letters()) == ([], [])
    abandon(house.sessions)
    house.wait_for_effects(1)
    eventually(house.dead_letters)
    eventually(lambda: consumer.health.ready)


def test_the_pause_begins_when_the_batch_that_is_under_way_has_ended(house: House) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def take_long(_session: Session, _event: Event) -> None:
        reached.set()
        go_on.wait(20)

    house.handler = take_long
    house.relay()
    house.consumer()
    house.sell("apples")
    assert reached.wait(20)
    with house.sessions.begin() as session, pytest.raises(ReplayRefused, match="a batch"):
        begin(session, "a replay")
    go_on.set()
    with house.sessions.begin() as session:
        begin(session, "a replay")
        assert house.sequences("apples") == [1]


def test_a_pause_is_no_death_and_costs_no_attempt(house: House) -> None:
    house.consumer()
    house.stop_last()
    with house.sessions.begin() as session:
        begin(session, "a replay that was cut short")
    house.send_raw(Event.new(f"{SOLD}.v1", subject="apples", sequence=1, data={"n": 1}).to_bytes())
    queue = events_queue(house.service)

    def pauses(consumer: Consumer) -> bool:
        return "replay" in consumer.health.doing

    for _ in range(4):  # each of them has the event in its hands and gives it back when it is stopped
        consumer = house.consumer()
        eventually(lambda: house.broker.queue_state(queue).ready == 0)
        eventually(partial(pauses, consumer))
        house.stop_last()
        eventually(lambda: house.broker.queue_state(queue).consumers == 0)
    abandon(house.sessions)
    house.consumer()
    house.wait_for_effects(1)
    eventually(lambda: house.outcomes == {"waiting": 1, "done": 1})  # it was held, since it came again and again
    assert house.dead_letters() == []


def test_a_consumer_that_starts_during_a_replay_subscribes_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    always = threading.Event()
    always.set()  # so it looks for what is due before it is connected to the broker
    monkeypatch.setattr(Consumer, "_mirror", lambda consumer, stop: nullcontext(always))
    with house.sessions.begin() as session:
        begin(session, "a replay that was cut short")
    consumer = house.consumer()
    assert consumer.active.is_set()


def test_an_event_that_fails_in_a_replay_is_tried_again_afterwards_and_keeps_its_place(house: House) -> None:
    house.relay()
    house.consumer()
    stock(house)
    house.wait_for_effects(100)

    def fail_on_one_shelf(session: Session, event: Event) -> None:
        if event.subject == "shelf-3" and event.sequence == 5 and is_paused(house):
            raise RetryLater("not while it is rebuilt")

    house.handler = fail_on_one_shelf
    report = rebuild(house)
    assert report.outcomes == {"done": 84, "retry": 1, "waiting": 15}
    house.wait_for_effects(100)
    assert shelves_in_order(house)
    eventually(lambda: house.unfinished() == {})


def test_in_a_long_replay_nobody_who_waits_is_given_up(house: House) -> None:
    house.relay()
    house.consumer()
    stock(house)
    house.wait_for_effects(100)

    def fail_once_then_take_long(session: Session, event: Event) -> None:
        if event.subject == "shelf-3" and is_paused(house):
            if event.sequence == 5:
                raise RetryLater("not while it is rebuilt")
            session.execute(text("UPDATE waiting SET retry_at = now() - interval '1 hour'"))

    house.handler = fail_once_then_take_long
    rebuild(house)
    house.wait_for_effects(100)
    assert shelves_in_order(house)


def test_an_event_that_is_refused_in_a_replay_is_a_dead_letter_and_holds_nobody_up(house: House) -> None:
    house.relay()
    stock(house)
    with house.engine.begin() as connection:  # before there was a schema for it
        connection.execute(text("UPDATE outbox SET body = 'not an event' WHERE id = 50"))

    def refuse_one(_session: Session, event: Event) -> None:
        if event.data["n"] == ODD:
            raise PermanentError("an odd one")

    house.handler = refuse_one
    assert rebuild(house).outcomes == {"done": 98, "dead": 2}
    assert {letter.reason for letter in house.dead_letters()} == {"refused-by-handler", "not-an-event"}


def test_what_is_dead_stays_dead_and_what_was_edited_comes_edited(house: House) -> None:
    def refuse_some(_session: Session, event: Event) -> None:
        if event.data["n"] in (ODD, 2 * ODD, 3 * ODD):
            raise PermanentError("an odd one")

    house.handler = refuse_some
    house.relay()
    house.consumer()
    stock(house)
    eventually(lambda: len(house.dead_letters()) == 3)
    _, discarded, edited = (letter.id for letter in house.dead_letters())
    with house.sessions.begin() as session:
        decide(session, discarded, Decision.DISCARD, by=SOMEBODY)
        replay_edited(session, edited, {"data": {"n": 1000, "colour": "red"}}, by=SOMEBODY, registry=house.registry)
    house.wait_for_effects(98)
    eventually(lambda: len(house.dead_letters()) == 1)
    before = content(house)
    house.handler = lambda session, event: None
    report = rebuild(house)
    assert (report.outcomes, report.stayed_dead) == ({"done": 98}, 2)
    assert content(house) == before


def test_whoever_claims_the_id_of_an_event_does_not_keep_it_from_a_rebuild(house: House) -> None:
    house.relay()
    stock(house, shelves=1, each=1)
    with house.engine.connect() as connection:
        ((event_id, body),) = connection.execute(text("SELECT event_id, body FROM outbox"))
    own = Event.from_bytes(bytes(body))
    house.consumer()
    claims = (b"parrot", replace(own, type="mill.sold.v2").to_bytes(), own.to_bytes())
    house.send(
        Message(0, house.exchange, f"{SOLD}.v1", claim, kind, message_id=str(event_id))
        for claim, kind in zip(claims, (CONTENT_TYPE, CONTENT_TYPE, "text/plain"), strict=True)
    )
    eventually(lambda: len(house.dead_letters()) == len(claims))
    assert rebuild(house).outcomes == {"done": 1}
