"""The dead-letter queue tells the same story as the letters on record, whoever dies or meddles."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from chassis.settings import EXCHANGE
from messaging import RabbitBroker, desk
from messaging.dead_letters import (
    Decision,
    Selection,
    State,
    decide,
    decide_all,
    read_dead_letter,
)
from messaging.dead_letters.orders import standings
from messaging.dead_letters.rules import Standing
from messaging.tables import DeadLetter, InboxEvent
from messaging.topology import Binding, Topology, consumer_topology, dead_queue, unrouted_name
from messaging.transport import Message, QueueState
from tests.conftest import Vhost
from tests.integration.conftest import ConnectionCutter
from tests.integration.messaging_house import House
from tests.integration.messaging_letters import ADA, Moody, bury, nothing_is_left, redeliver, replay, sold, state
from tests.waiting import eventually


def test_a_crash_between_sending_and_marking_has_no_second_effect(
    house: House, moody: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.consumer()
    letters = bury(house, *(sold(n) for n in range(3)))
    moody.refuses = False
    with house.sessions.begin() as session:
        decide_all(session, Selection(), Decision.REPLAY, by=ADA)
    crashed: list[int] = []

    def crash(session: Session, letters: list[DeadLetter]) -> None:
        crashed.append(len(letters))
        raise RuntimeError("the process died here")

    with monkeypatch.context() as patch:
        patch.setattr(desk, "mark_carried_out", crash)
        house.desk()
        eventually(lambda: crashed == [3])
        house.wait_for_effects(3)
        house.stop_last()
    assert {state(house, letter) for letter in letters} == {State.REPLAY_REQUESTED}
    eventually(lambda: house.dead_in_queue() == 3)
    house.desk()
    nothing_is_left(house)
    eventually(lambda: house.outcomes["duplicate"] == 3)
    assert sorted(effect.n for effect in house.effects()) == [0, 1, 2]


def test_a_crash_between_marking_and_settling_leaves_nothing_in_the_queue(house: House, moody: Moody) -> None:
    house.consumer()
    replayed, discarded, kept = bury(house, sold(1), sold(2), sold(3))
    with house.sessions.begin() as session:
        for letter_id, done in ((replayed, State.REPLAYED), (discarded, State.DISCARDED)):
            session.get_one(DeadLetter, letter_id).state = done
    house.desk()
    eventually(lambda: house.dead_in_queue() == 1)
    assert [letter.id for letter in house.dead_letters()] == [kept]


def test_a_death_that_is_recorded_twice_is_one_letter_and_one_message(house: House) -> None:
    house.consumer()
    event = sold(data={"n": "many"})
    bury(house, event)
    house.stop_last()
    redeliver(house, event)  # as after a crash of the consumer before its ack
    eventually(lambda: house.dead_in_queue() == 2)
    house.desk()
    eventually(lambda: house.dead_in_queue() == 1)
    (letter,) = house.dead_letters()
    assert (letter.id, letter.deaths) == (event.id, 1)


def test_two_messages_with_the_same_id_and_different_bodies_are_two_letters(house: House, moody: Moody) -> None:
    house.consumer()
    event = sold(1)
    house.send_raw(event.to_bytes(), event.to_bytes().replace(b'"n":1', b'"n":2'), b"parrot", b"parrot")
    eventually(lambda: len(house.dead_letters()) == 4)
    eventually(lambda: house.dead_in_queue() == 4)
    house.desk()
    moody.refuses = False
    with house.sessions.begin() as session:
        decide_all(session, Selection(), Decision.REPLAY, by=ADA)
    # The first of the two has the effect, the texts die again as the same letters.
    eventually(lambda: [letter.deaths for letter in house.dead_letters()] == [2, 2] and house.dead_in_queue() == 2)
    house.wait_for_effects(1)


def put_into_dead_queue(broker: RabbitBroker, service: str, *bodies: bytes) -> None:
    """As RabbitMQ itself or a person at its console does."""
    publisher = broker.publisher()
    kind = "application/cloudevents+json"
    headers = {"x-first-death-reason": "delivery_limit", "x-first-death-queue": f"{service}.events"}
    publisher.send([Message(n, f"{service}.dead", "", body, kind, headers=headers) for n, body in enumerate(bodies)])
    confirmed: list[Any] = []

    def all_are_confirmed() -> bool:
        confirmed.extend(publisher.outcomes(0.1))
        return len(confirmed) == len(bodies)

    eventually(all_are_confirmed)
    publisher.close()


def test_a_message_that_nobody_recorded_gets_a_letter_when_the_desk_sees_it(house: House) -> None:
    house.consumer()
    house.desk()
    event = sold(5)
    put_into_dead_queue(house.broker, house.service, event.to_bytes(), b"parrot")
    first, second = eventually(lambda: len(house.dead_letters()) == 2 and house.dead_letters())
    assert (first.id, first.reason, first.event) == (event.id, "given-up-by-broker", json.loads(event.to_bytes()))
    assert first.detail == f"RabbitMQ moved it out of {house.service}.events: delivery_limit"
    assert second.event == "parrot"
    eventually(lambda: house.dead_in_queue() == 2)
    replay(house, event.id)
    house.wait_for_effects(1)
    eventually(lambda: house.dead_in_queue() == 1)


def test_an_event_of_an_unknown_type_is_a_dead_letter_where_the_unrouted_are_bound_to(house: House) -> None:
    house.consumer()
    unrouted = Binding(unrouted_name(house.exchange), dead_queue(house.service), "")
    house.broker.declare(Topology((), (), (unrouted,)))
    house.desk()
    event = sold(5, type="shop.item_burnt.v1")
    house.send_raw(event.to_bytes(), type=event.type)
    (letter,) = eventually(house.dead_letters)
    assert (letter.id, letter.type, letter.reason) == (event.id, event.type, "unknown-type")
    assert letter.detail == "nobody listens to 'shop.item_burnt.v1'"
    eventually(lambda: house.dead_in_queue() == 1)
    replay(house, event.id)
    (again,) = eventually(lambda: [letter for letter in house.dead_letters() if letter.deaths == 2])
    assert (again.state, again.reason) == (State.DEAD, "unknown-type")


def test_a_letter_whose_message_was_taken_out_of_the_queue_is_put_back(house: House, moody: Moody) -> None:
    house.consumer()
    taken, fresh = bury(house, sold(1), sold(2))
    with house.sessions.begin() as session:
        session.get_one(DeadLetter, taken).died_at -= timedelta(minutes=2)
    house.queued(f"{house.service}.dead", 2)
    eventually(lambda: house.broker.queue_state(f"{house.service}.dead").consumers == 0)
    house.desk()
    eventually(lambda: house.dead_in_queue() == 1)  # of the fresh one the message may still be on its way
    moody.refuses = False
    with house.sessions.begin() as session:
        decide_all(session, Selection(), Decision.REPLAY, by=ADA)
    house.wait_for_effects(2)
    nothing_is_left(house)
    assert {state(house, taken), state(house, fresh)} == {State.REPLAYED}


def test_a_queue_that_is_called_empty_only_once_is_not_filled_again(
    house: House, moody: Moody, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house.consumer()
    letters = bury(house, sold(1), sold(2))
    with house.sessions.begin() as session:
        for letter in letters:
            session.get_one(DeadLetter, letter).died_at -= timedelta(minutes=2)
    told: list[QueueState] = []
    ask = house.broker.queue_state

    def say_at_first_that_it_is_empty(queue: str) -> QueueState:
        told.append(ask(queue) if told else QueueState(ready=0, consumers=0))
        return told[-1]

    monkeypatch.setattr(house.broker, "queue_state", say_at_first_that_it_is_empty)
    house.desk()
    eventually(lambda: len(told) > 3)
    assert "putting them back" not in caplog.text


def test_the_desk_leaves_the_queue_alone_while_somebody_else_receives_from_it(house: House, moody: Moody) -> None:
    house.consumer()
    bury(house, sold(1), sold(2))
    reader = house.broker.receiver(f"{house.service}.dead", prefetch=10)
    for _ in range(2):
        eventually(lambda: reader.receive(1, 0.2))
    house.desk()
    with house.sessions.begin() as session:
        decide_all(session, Selection(), Decision.DISCARD, by=ADA)
    eventually(lambda: house.dead_letters() == [])
    eventually(lambda: house.broker.queue_state(f"{house.service}.dead").consumers == 1)
    reader.close()
    nothing_is_left(house)


def test_the_order_in_the_queue_stays_when_the_desk_has_looked(house: House, moody: Moody) -> None:
    house.consumer()
    house.desk()
    letters = bury(house, *(sold(n) for n in range(30)))
    with house.sessions.begin() as session:
        for letter_id in letters[::3]:
            decide(session, letter_id, Decision.DISCARD, by=ADA)
    eventually(lambda: house.dead_in_queue() == 20)
    house.stop_last()
    bodies = house.queued(f"{house.service}.dead", 20)
    assert [json.loads(body)["data"]["n"] for body in bodies] == [n for n in range(30) if n % 3]


def test_a_queue_is_kept_in_line_by_a_desk_that_has_a_small_part_of_it_in_memory(
    house: House, moody: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "_CHUNK", 4)
    monkeypatch.setattr(desk, "_AT_ONCE", 3)
    house.consumer()
    letters = bury(house, *(sold(n) for n in range(11)))
    with house.sessions.begin() as session:
        for letter_id in letters:
            session.get_one(DeadLetter, letter_id).died_at -= timedelta(minutes=2)
    house.queued(f"{house.service}.dead", 11)  # takes them away
    eventually(lambda: house.broker.queue_state(f"{house.service}.dead").consumers == 0)
    house.desk()
    eventually(lambda: house.dead_in_queue() == 11)
    with house.sessions.begin() as session:
        for letter_id in letters[::5]:
            decide(session, letter_id, Decision.DISCARD, by=ADA)
    eventually(lambda: house.dead_in_queue() == 8)
    house.stop_last()
    bodies = house.queued(f"{house.service}.dead", 8)
    assert [json.loads(body)["data"]["n"] for body in bodies] == [n for n in range(11) if n % 5]


def test_a_decision_about_an_old_letter_does_not_make_the_desk_read_the_whole_queue(
    house: House, moody: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "_CHUNK", 4)
    house.consumer()
    letters = bury(house, *(sold(n) for n in range(20)))
    read: list[int] = []

    def count(session: Session, letter_ids: set[UUID]) -> dict[UUID, Standing]:
        read.append(len(letter_ids))
        return standings(session, letter_ids)

    monkeypatch.setattr(desk, "standings", count)
    house.desk()
    with house.sessions.begin() as session:
        decide(session, letters[5], Decision.DISCARD, by=ADA)
    eventually(lambda: house.dead_in_queue() == 19)
    assert read == [4, 4]


def test_of_two_desks_one_works_and_the_other_takes_over(house: House, moody: Moody) -> None:
    house.consumer()
    first, second = bury(house, sold(1), sold(2))
    moody.refuses = False
    house.desk()
    house.desk()
    replay(house, first)
    house.wait_for_effects(1)
    stop, thread = house._running.pop(1)
    stop.set()
    thread.join()
    replay(house, second)
    house.wait_for_effects(2)
    nothing_is_left(house)
    with house.sessions() as session:
        assert len(session.scalars(select(InboxEvent)).all()) == 2


def test_the_desk_outlives_a_database_and_a_broker_that_are_away(
    house: House, moody: Moody, cutter: ConnectionCutter
) -> None:
    house.consumer()
    house.desk()
    first, second = bury(house, sold(1), sold(2))
    moody.refuses = False
    cutter.keep_out()
    replay(house, first)
    with house.engine.begin() as connection:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database"
        desks = connection.execute(text(f"{ended} WHERE locktype = 'advisory' AND datname = current_database()")).all()
    assert len(desks) == 1
    cutter.let_in()
    eventually(lambda: len(house.effects()) == 1, timeout=30)
    replay(house, second)
    house.wait_for_effects(2)
    nothing_is_left(house)


def test_the_services_own_user_may_do_all_of_it(house: House, vhost: Vhost) -> None:
    administrator = RabbitBroker(vhost.administrator_url, name="x")
    administrator.declare(consumer_topology("billing", ["tracker.task_created"], exchange=EXCHANGE))
    own = RabbitBroker(vhost.url("billing"), name="billing.dead-letters")
    working = desk.DeadLetterDesk("billing", own, house.engine, poll=0.1, compare_every=0.5)
    house._start(working.run)
    event = sold(5)
    put_into_dead_queue(administrator, "billing", event.to_bytes())
    (letter,) = eventually(house.dead_letters)
    replay(house, letter.id)
    eventually(lambda: house.dead_letters() == [])
    assert list(house.queued("billing.events", 1)) == [event.to_bytes()]
    eventually(lambda: administrator.queue_state("billing.dead").ready == 0)


def test_what_postgres_cannot_keep_is_recorded_all_the_same(house: House) -> None:
    house.consumer()
    house.send_raw(b"nul \0 and no text \xff", b'{"id": "\\ud800", "deep": ' + b"[" * 900 + b"]" * 900 + b"}", b"NaN")
    eventually(lambda: len(house.dead_letters()) == 3)
    for letter in house.dead_letters():
        with house.sessions() as session:
            read_dead_letter(session, letter.id).text.encode()
