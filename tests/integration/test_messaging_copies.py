"""A copy of an event that has died has no effect: what is dead stays dead until somebody decides about it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import psycopg2
import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from messaging import Event, PermanentError, RetryLater, inbox
from messaging.dead_letters import Decision, State, decide, replay_edited
from messaging.envelope import CONTENT_TYPE
from messaging.held import die
from messaging.topology import events_queue
from messaging.transport import Delivery, Message
from tests.integration.messaging_house import House
from tests.integration.messaging_letters import (
    ADA,
    Moody,
    bury,
    history,
    nothing_is_left,
    redeliver,
    replay,
    sold,
    state,
)
from tests.waiting import eventually

#: One that its handler refuses, and one that never gets to a handler.
fit_and_unfit = pytest.mark.parametrize("event", [sold(), sold(data={"n": "many"})], ids=["fit", "unfit"])


def test_a_copy_of_a_dead_event_is_put_away_and_its_letter_stays(house: House, moody: Moody) -> None:
    house.consumer()
    event = sold()
    (letter_id,) = bury(house, event)
    moody.refuses = False
    house.send_raw(event.to_bytes())
    eventually(lambda: house.outcomes == {"dead": 1, "duplicate": 1})
    assert house.effects() == []
    assert state(house, letter_id) == State.DEAD
    assert history(house, letter_id) == [("died", None)]
    replay(house, letter_id)
    house.wait_for_effects(1)
    eventually(lambda: state(house, letter_id) == State.REPLAYED)


def test_an_event_that_comes_twice_does_not_die_once_and_have_its_effect_the_other_time(house: House) -> None:
    """As after a relay that was killed before it could mark it."""

    def fail_until_one_is_dead(_session: Session, _event: Event) -> None:
        if not house.dead_letters():
            raise RetryLater("not yet")

    house.handler = fail_until_one_is_dead
    house.retry = replace(house.retry, attempts=2)
    house.subscribe()
    event = sold().to_bytes()
    house.send_raw(event, event)
    house.consumer()
    eventually(lambda: house.outcomes == {"retry": 1, "dead": 1, "duplicate": 1})
    assert house.effects() == []
    assert len(house.dead_letters()) == 1
    assert house.unfinished() == {}


def test_a_message_that_has_taken_the_id_of_an_event_does_not_keep_the_event_from_being_handled(
    house: House, moody: Moody
) -> None:
    house.consumer()
    event = sold(1)
    bury(house, replace(event, data={"n": 2}))
    moody.refuses = False
    house.send_raw(event.to_bytes())
    house.wait_for_effects(1)
    assert [effect.n for effect in house.effects()] == [1]


@fit_and_unfit
def test_a_copy_of_what_was_discarded_undoes_nothing(house: House, moody: Moody, event: Event) -> None:
    house.consumer()
    (letter_id,) = bury(house, event)
    with house.sessions.begin() as session:
        decide(session, letter_id, Decision.DISCARD, by=ADA)
    house.send_raw(event.to_bytes())
    eventually(lambda: house.outcomes["duplicate"] == 1)
    nothing_is_left(house)
    house.stop_last()
    redeliver(house, event)
    eventually(lambda: house.outcomes["duplicate"] == 2)
    assert state(house, letter_id) == State.DISCARDED
    assert [action for action, _ in history(house, letter_id)] == ["died", "discarded"]
    assert house.dead_in_queue() == 0
    assert house.effects() == []


@fit_and_unfit
def test_a_copy_of_what_is_replayed_edited_does_not_keep_the_edited_event_from_being_handled(
    house: House, moody: Moody, event: Event
) -> None:
    house.consumer()
    (letter_id,) = bury(house, event)
    moody.refuses = False
    with house.sessions.begin() as session:
        replay_edited(session, letter_id, {"data": {"n": 5}}, by=ADA, registry=house.registry)
    house.send_raw(event.to_bytes())
    eventually(lambda: house.outcomes["duplicate"] == 1)
    house.wait_for_effects(1)
    nothing_is_left(house)
    house.send_raw(event.to_bytes())
    eventually(lambda: house.outcomes["duplicate"] == 2)
    assert [effect.n for effect in house.effects()] == [5]
    assert state(house, letter_id) == State.REPLAYED


def test_what_was_replayed_as_it_is_may_die_again(house: House, moody: Moody) -> None:
    house.consumer()
    (letter_id,) = bury(house, sold())
    replay(house, letter_id)
    eventually(lambda: house.dead_letters()[0].deaths == 2 if house.dead_letters() else False)
    assert state(house, letter_id) == State.DEAD


def test_an_event_that_somebody_else_has_handled_meanwhile_is_not_dead(house: House, moody: Moody) -> None:
    """As after a take-over of the queue from a consumer that is cut off from the broker and goes on."""

    event = sold()

    def handle_it_elsewhere(_session: Session) -> None:
        with Session(house.engine) as elsewhere, elsewhere.begin():
            inbox.remember(elsewhere, [event.id])

    sqlalchemy_event.listen(house.sessions, "after_rollback", handle_it_elsewhere)
    house.consumer()
    house.send_raw(event.to_bytes())
    eventually(lambda: house.outcomes == {"duplicate": 1})
    assert house.dead_letters() == []


def test_a_death_whose_commit_was_not_answered_is_one_death_and_is_told_as_one(house: House, moody: Moody) -> None:
    once = iter([True])

    def commit_and_lose_the_connection(session: Session) -> None:
        if house.dead_letters() != [] and next(once, False):
            raise OperationalError("COMMIT", {}, psycopg2.OperationalError("server closed the connection unexpectedly"))

    sqlalchemy_event.listen(house.sessions, "after_commit", commit_and_lose_the_connection)
    house.consumer()
    (letter_id,) = bury(house, sold())
    eventually(lambda: house.outcomes == {"dead": 1})
    assert next(once, False) is False
    assert history(house, letter_id) == [("died", None)]
    eventually(lambda: house.dead_in_queue() == 1)


def test_an_event_that_is_sent_rightly_after_it_was_sent_wrongly_is_handled(house: House) -> None:
    house.consumer()
    event = sold()
    house.send_raw(event.to_bytes(), content_type="application/json")
    eventually(lambda: [letter.reason for letter in house.dead_letters()] == ["wrong-content-type"])
    house.send_raw(event.to_bytes())
    house.wait_for_effects(1)


def test_of_two_messages_with_one_id_a_copy_of_either_is_held_back(house: House, moody: Moody) -> None:
    house.consumer()
    first = sold(1)
    second = replace(first, data={"n": 2})
    bury(house, first, second)
    moody.refuses = False
    house.send_raw(first.to_bytes(), second.to_bytes())
    eventually(lambda: house.outcomes == {"dead": 2, "duplicate": 2})
    assert house.effects() == []


def received(house: House, event: Event) -> Delivery:
    house.send_raw(event.to_bytes())
    receiver = house.broker.receiver(events_queue(house.service), prefetch=1)
    (delivery,) = eventually(lambda: receiver.receive(1, 0.1))
    receiver.ack([delivery])
    receiver.close()
    return delivery


def bury_in(session: Session, delivery: Delivery) -> UUID | None:
    return die(session, delivery, None, PermanentError("no"), attempts=1, line=None)


def in_a_transaction(house: House, delivery: Delivery) -> UUID | None:
    with house.sessions.begin() as session:
        return bury_in(session, delivery)


def somebody_waits_for_a_lock(house: House) -> bool:
    with house.sessions() as session:
        waits = "wait_event_type = 'Lock' AND datname = current_database()"
        return bool(session.scalar(text(f"SELECT count(*) FROM pg_stat_activity WHERE {waits}")))


def test_two_who_bury_the_same_message_at_once_make_one_death(house: House) -> None:
    house.subscribe()
    for event in (sold(), sold(data={"n": "many"})):
        delivery = received(house, event)
        with house.sessions.begin() as slower:
            first = bury_in(slower, delivery)
            slower.flush()
            with ThreadPoolExecutor() as pool:
                other = pool.submit(in_a_transaction, house, delivery)
                eventually(lambda: somebody_waits_for_a_lock(house))
                slower.commit()
                assert (first, other.result()) == (event.id, None)
    assert [letter.deaths for letter in house.dead_letters()] == [1, 1]


def test_an_empty_message_under_the_id_of_an_event_stays_on_record_when_the_event_is_handled(house: House) -> None:
    house.consumer()
    event = sold()
    house.send([Message(0, house.exchange, event.type, b"", CONTENT_TYPE, message_id=str(event.id), type=event.type)])
    (letter,) = eventually(house.dead_letters)
    house.send_raw(event.to_bytes())
    house.wait_for_effects(1)
    assert [(left.id, left.reason) for left in house.dead_letters()] == [(letter.id, "not-an-event")]
