"""Waiting in line for an event that is late, for as long as it may still come."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from messaging import Event
from messaging.envelope import CONTENT_TYPE
from messaging.transport import Message
from tests.integration.messaging_house import SOLD, House
from tests.waiting import eventually

LATE = timedelta(minutes=30)


def sold(sequence: int) -> Event:
    return Event.new(f"{SOLD}.v1", subject="apples", sequence=sequence, data={"n": sequence})


def consumer_at_work(house: House) -> None:
    """Start a consumer that has received something, over a connection that it does not lose afterwards."""
    house.consumer()
    house.send_raw(Event.new(f"{SOLD}.v1", subject="pears", sequence=1, data={"n": 0}).to_bytes())
    house.wait_for_effects(1)


def was_to_be_back_long_ago(house: House, event: Event) -> None:
    row = {"id": event.id, "line": f"shop/{event.subject}", "sequence": event.sequence, "at": datetime.now(UTC) - LATE}
    with house.engine.begin() as connection:
        connection.execute(text("INSERT INTO waiting VALUES (:id, :line, :sequence, :at)"), row)


def going_round_for_long(house: House, event: Event) -> Message:
    """Return the event as it comes back from a wait queue, into which it has been sent again and again."""
    now = datetime.now(UTC).timestamp()
    headers = {"waits-since": int(now - LATE.total_seconds()), "back-at": int(now)}
    return Message(0, house.exchange, event.type, event.to_bytes(), CONTENT_TYPE, headers=headers)


def test_an_event_that_comes_back_behind_a_queue_of_half_an_hour_is_still_waited_for(house: House) -> None:
    first, second, third = (sold(sequence) for sequence in (1, 2, 3))
    consumer_at_work(house)
    was_to_be_back_long_ago(house, first)
    house.send_raw(second.to_bytes(), third.to_bytes(), first.to_bytes())
    house.wait_for_effects(4)
    assert house.sequences("apples") == [1, 2, 3]
    eventually(lambda: house.unfinished() == {})


def test_an_event_that_was_taken_out_of_its_wait_queue_is_given_up_by_who_waited_for_long(house: House) -> None:
    first, second = sold(1), sold(2)
    consumer_at_work(house)
    was_to_be_back_long_ago(house, first)
    house.send([going_round_for_long(house, second)])
    house.wait_for_effects(2)
    assert house.sequences("apples") == [2]
    eventually(lambda: house.unfinished() == {})


def test_nobody_is_given_up_when_the_consumer_has_only_just_found_the_broker_again(house: House) -> None:
    first, second = sold(1), sold(2)
    house.subscribe()
    was_to_be_back_long_ago(house, first)
    house.send([going_round_for_long(house, second)])
    house.send_raw(first.to_bytes())
    house.consumer()
    house.wait_for_effects(2)
    assert house.sequences("apples") == [1, 2]
    eventually(lambda: house.unfinished() == {})


def test_nobody_waits_for_an_event_that_fits_its_schema_no_more_when_it_comes_back(house: House) -> None:
    first, second = sold(1), sold(2)
    consumer_at_work(house)
    was_to_be_back_long_ago(house, first)
    house.send_raw(replace(first, data={"n": "many"}).to_bytes(), second.to_bytes())
    house.wait_for_effects(2)
    assert house.sequences("apples") == [2]
    assert [(letter.id, letter.reason) for letter in house.dead_letters()] == [(first.id, "schema-invalid")]
    eventually(lambda: house.unfinished() == {})
