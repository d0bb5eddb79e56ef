"""A copy of an event that has died has no effect: what is dead stays dead until somebody decides about it."""

from dataclasses import replace

from sqlalchemy.orm import Session

from messaging import Event, RetryLater
from messaging.dead_letters import State
from messaging.topology import events_queue, retry_queue
from tests.integration.messaging_house import House
from tests.integration.messaging_letters import Moody, bury, history, replay, sold, state
from tests.waiting import eventually


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
    house.desk()
    replay(house, letter_id)
    house.wait_for_effects(1)
    eventually(lambda: state(house, letter_id) == State.REPLAYED)


def test_an_event_that_comes_twice_does_not_die_once_and_have_its_effect_the_other_time(house: House) -> None:
    """As after a kill between the wait queue and the ack: two copies wait, both of them before their last attempt."""

    def fail_until_one_is_dead(_session: Session, _event: Event) -> None:
        if not house.dead_letters():
            raise RetryLater("not yet")

    house.handler = fail_until_one_is_dead
    house.retry = replace(house.retry, attempts=2)
    house.subscribe()
    event = sold().to_bytes()
    house.send_raw(event, event)
    house.consumer()
    eventually(lambda: house.outcomes == {"retry": 2, "dead": 1, "duplicate": 1})
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


def test_the_letter_of_an_event_that_was_redelivered_after_its_death_gets_its_message_at_once(
    house: House, moody: Moody
) -> None:
    house.consumer()
    event = sold()
    bury(house, event)
    house.stop_last()
    house.queued(f"{house.service}.dead", 1)  # as if the process had been killed before it sent it
    house.send_raw(event.to_bytes())
    receiver = house.broker.receiver(events_queue(house.service), prefetch=1)
    eventually(lambda: receiver.receive(1, 0.1))
    receiver.close()
    moody.refuses = False
    house.consumer()
    eventually(lambda: house.dead_in_queue() == 1)
    assert house.effects() == []
    assert house.broker.queue_state(retry_queue(house.service, house.retry.delays_ms[0])).ready == 0
