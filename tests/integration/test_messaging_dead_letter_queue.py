"""The dead-letter queue tells the same story as the letters on record, whoever dies or meddles."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from chassis.settings import EXCHANGE
from messaging import RabbitBroker
from messaging.dead_letters import (
    Decision,
    Selection,
    State,
    decide,
    decide_all,
    mirror,
    mirrored,
    read_dead_letter,
)
from messaging.dead_letters.rules import Label
from messaging.topology import Binding, Topology, consumer_topology, dead_queue, unrouted_name
from messaging.transport import Message, QueueState
from tests.conftest import Vhost
from tests.integration.conftest import ConnectionCutter
from tests.integration.messaging_house import House
from tests.integration.messaging_letters import ADA, FailsAtFirst, Moody, bury, nothing_is_left, redeliver, replay, sold
from tests.waiting import eventually


def test_what_is_decided_leaves_the_queue(house: House, moody: Moody) -> None:
    house.consumer()
    replayed, discarded, kept = bury(house, sold(1), sold(2), sold(3))
    moody.refuses = False
    with house.sessions.begin() as session:
        decide(session, replayed, Decision.REPLAY, by=ADA)
        decide(session, discarded, Decision.DISCARD, by=ADA)
    eventually(lambda: house.dead_in_queue() == 1)
    eventually(lambda: [letter.id for letter in house.dead_letters()] == [kept])


def test_a_crash_between_sending_and_marking_leaves_one_message_for_each_letter(
    house: House, moody: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_AFTER_FAILURE", 0)
    crashes = iter([True])
    mark_sent = mirrored.mark_sent

    def crash_once(session: Session, labels: list[Label]) -> None:
        if next(crashes, False):
            raise RuntimeError("the process died here")
        mark_sent(session, labels)

    monkeypatch.setattr(mirrored, "mark_sent", crash_once)
    house.consumer()
    house.send_raw(*(sold(n).to_bytes() for n in range(3)))
    eventually(lambda: next(crashes, None) is None and len(house.dead_letters()) == 3)
    eventually(lambda: house.dead_in_queue() == 3 and nothing_is_amiss(house))
    bodies = house.queued(f"{house.service}.dead", 3)
    assert sorted(json.loads(body)["data"]["n"] for body in bodies) == [0, 1, 2]


def nothing_is_amiss(house: House) -> bool:
    with house.sessions() as session:
        return mirrored.count_mirrored(session) == len(house.dead_letters()) and not mirrored.some_have_to_go(session)


def test_a_death_that_comes_twice_is_one_letter_and_one_message(house: House) -> None:
    house.consumer()
    event = sold(data={"n": "many"})
    bury(house, event)
    house.stop_last()
    redeliver(house, event)  # as after a crash of the consumer before its ack
    eventually(lambda: house.outcomes["duplicate"] == 1)
    (letter,) = house.dead_letters()
    assert (letter.id, letter.deaths) == (event.id, 1)
    assert house.dead_in_queue() == 1


def test_two_messages_with_the_same_id_and_different_bodies_are_two_letters(house: House, moody: Moody) -> None:
    house.consumer()
    event = sold(1)
    house.send_raw(event.to_bytes(), event.to_bytes().replace(b'"n":1', b'"n":2'), b"parrot", b"parrot")
    eventually(lambda: len(house.dead_letters()) == 4)
    eventually(lambda: house.dead_in_queue() == 4)
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


def test_a_message_that_nobody_recorded_gets_a_letter(house: House) -> None:
    house.consumer()
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
    bury(house, sold(1), sold(2))
    house.queued(f"{house.service}.dead", 2)
    eventually(lambda: house.dead_in_queue() == 2)
    moody.refuses = False
    with house.sessions.begin() as session:
        decide_all(session, Selection(), Decision.REPLAY, by=ADA)
    house.wait_for_effects(2)
    nothing_is_left(house)


def test_a_queue_that_is_called_empty_only_once_is_not_filled_again(
    house: House, moody: Moody, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house.consumer()
    bury(house, sold(1), sold(2))
    house.stop_last()
    told: list[QueueState] = []
    ask = house.broker.queue_state

    def say_at_first_that_it_is_empty(queue: str) -> QueueState:
        told.append(ask(queue) if told else QueueState(ready=0, consumers=0))
        return told[-1]

    monkeypatch.setattr(house.broker, "queue_state", say_at_first_that_it_is_empty)
    house.mirror()
    eventually(lambda: len(told) > 3)
    assert "putting them back" not in caplog.text


def test_the_queue_is_left_alone_while_somebody_else_receives_from_it(house: House, moody: Moody) -> None:
    house.consumer()
    bury(house, sold(1), sold(2))
    reader = house.broker.receiver(f"{house.service}.dead", prefetch=10)
    for _ in range(2):
        eventually(lambda: reader.receive(1, 0.2))
    with house.sessions.begin() as session:
        decide_all(session, Selection(), Decision.DISCARD, by=ADA)
    assert house.dead_letters() == []
    eventually(lambda: house.broker.queue_state(f"{house.service}.dead").consumers == 1)
    reader.close()
    nothing_is_left(house)


def test_a_queue_is_kept_in_line_with_a_small_part_of_it_in_memory(
    house: House, moody: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_CHUNK", 4)
    house.consumer()
    letters = bury(house, *(sold(n) for n in range(11)))
    house.queued(f"{house.service}.dead", 11)  # takes them away
    eventually(lambda: house.dead_in_queue() == 11)
    with house.sessions.begin() as session:
        for letter_id in letters[::5]:
            decide(session, letter_id, Decision.DISCARD, by=ADA)
    eventually(lambda: house.dead_in_queue() == 8)
    house.stop_last()
    bodies = house.queued(f"{house.service}.dead", 8)
    assert sorted(json.loads(body)["data"]["n"] for body in bodies) == [n for n in range(11) if n % 5]


def test_a_decision_about_an_old_letter_does_not_have_the_whole_queue_read(
    house: House, moody: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_CHUNK", 4)
    house.consumer()
    letters = bury(house, *(sold(n) for n in range(20)))
    eventually(lambda: nothing_is_amiss(house))
    read: list[int] = []
    known_letters = mirrored.known_letters

    def count(session: Session, letter_ids: set[UUID]) -> dict[UUID, int]:
        read.append(len(letter_ids))
        return known_letters(session, letter_ids)

    monkeypatch.setattr(mirrored, "known_letters", count)
    with house.sessions.begin() as session:
        decide(session, letters[5], Decision.DISCARD, by=ADA)
    eventually(lambda: house.dead_in_queue() == 19)
    assert read == [4, 4]


def test_of_two_consumers_one_keeps_the_queue_in_line_and_the_other_takes_over(house: House, moody: Moody) -> None:
    house.consumer()
    consumers_started = len(house._running)
    house._start(house.make_consumer().run)
    first, second = bury(house, sold(1), sold(2))
    moody.refuses = False
    replay(house, first)
    house.wait_for_effects(1)
    eventually(lambda: house.dead_in_queue() == 1)
    stop, thread = house._running.pop(consumers_started - 1)
    stop.set()
    thread.join()
    replay(house, second)
    house.wait_for_effects(2)
    nothing_is_left(house)


def test_decisions_and_the_queue_outlive_a_database_and_a_broker_that_are_away(
    house: House, moody: Moody, cutter: ConnectionCutter
) -> None:
    house.consumer()
    first, second = bury(house, sold(1), sold(2))
    moody.refuses = False
    cutter.keep_out()
    replay(house, first)
    with house.engine.begin() as connection:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database"
        mirrors = connection.execute(
            text(f"{ended} WHERE locktype = 'advisory' AND datname = current_database()")
        ).all()
    assert len(mirrors) == 1
    cutter.let_in()
    eventually(lambda: len(house.effects()) == 1)
    replay(house, second)
    house.wait_for_effects(2)
    nothing_is_left(house)


def test_the_services_own_user_may_do_all_of_it(house: House, vhost: Vhost) -> None:
    administrator = RabbitBroker(vhost.administrator_url, name="x")
    administrator.declare(consumer_topology("billing", ["tracker.task_created"], exchange=EXCHANGE))
    own = RabbitBroker(vhost.url("billing"), name="billing.dead-letters")
    house._start(mirror.DeadLetterMirror("billing", own, house.engine, compare_every=0.1).run)
    put_into_dead_queue(administrator, "billing", sold(5).to_bytes())
    (letter,) = eventually(house.dead_letters)
    eventually(lambda: administrator.queue_state("billing.dead").ready == 1)
    with house.sessions.begin() as session:
        decide(session, letter.id, Decision.DISCARD, by=ADA)
    eventually(lambda: administrator.queue_state("billing.dead").ready == 0)


def test_what_postgres_cannot_keep_is_recorded_all_the_same(house: House) -> None:
    house.consumer()
    house.send_raw(b"nul \0 and no text \xff", b'{"id": "\\ud800", "deep": ' + b"[" * 900 + b"]" * 900 + b"}", b"NaN")
    eventually(lambda: len(house.dead_letters()) == 3)
    for letter in house.dead_letters():
        with house.sessions() as session:
            read_dead_letter(session, letter.id).text.encode()


def test_who_cannot_bring_the_queue_into_line_handles_what_is_held_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_mirror: mirror.DeadLetterMirror, _connection: Connection) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(mirror.DeadLetterMirror, "_compare", fail)
    house.handler = FailsAtFirst()
    house.consumer()
    house.send_raw(sold(1).to_bytes(), sold(2).to_bytes())
    house.wait_for_effects(2)


def test_who_is_cut_off_from_the_broker_handles_what_another_holds(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off = house.make_consumer()
    monkeypatch.setattr(cut_off, "_broker", _CutOff(house.broker))
    house._start(cut_off.run)
    eventually(lambda: cut_off.health.doing == "cut off")
    house.handler = FailsAtFirst()
    house.consumer()
    house.send_raw(sold(1).to_bytes(), sold(2).to_bytes())
    house.wait_for_effects(2)


class _CutOff:
    """A broker that declares, and from which nothing is received."""

    def __init__(self, broker: RabbitBroker) -> None:
        self._broker = broker
        self.receiver = Mock()
        self.receiver.return_value.receive.side_effect = self._nothing
        self.receiver.return_value.obstacle.return_value = "cut off"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def _nothing(self, _limit: int, timeout: float) -> list[Any]:
        threading.Event().wait(timeout)
        return []


def test_decisions_about_many_and_the_mirror_of_the_same_do_not_wait_for_each_other_in_a_circle(house: House) -> None:
    with house.engine.begin() as connection:
        made = connection.execute(text(_DEAD), {"count": 20_000})
        labels = [Label(letter_id, 1) for (letter_id,) in made]
    passes: list[int] = []
    over = threading.Event()

    def go_through() -> None:
        while not over.is_set():
            with house.sessions.begin() as session:
                since = mirrored.now(session)
            for start in range(0, len(labels), 500):
                with house.sessions.begin() as session:
                    mirrored.keep(session, set(labels[start : start + 500]), since=since)
            passes.append(1)

    with ThreadPoolExecutor() as pool, ExitStack() as ending:
        ending.callback(over.set)
        mirroring = pool.submit(go_through)
        for decision in (Decision.REPLAY, Decision.DISCARD):
            eventually(lambda: passes)
            with house.sessions.begin() as session:
                assert decide_all(session, Selection(), decision, by=ADA) == len(labels)
            with house.engine.begin() as connection:
                connection.execute(text("LOCK TABLE held_message"))
                connection.execute(text("UPDATE held_message SET state = 'dead', due_at = NULL"))
            passes.clear()
        over.set()
        mirroring.result()


_DEAD = """
    INSERT INTO held_message (id, state, deaths, type, reason, body, content_type, headers, mirrored_at)
    SELECT gen_random_uuid(), 'dead', 1, 'shop.sold.v1', 'x', 'x', 'text', '{}', now() FROM generate_series(1, :count)
    RETURNING id
"""
