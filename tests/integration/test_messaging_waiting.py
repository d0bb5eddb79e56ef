"""Waiting in line for an event that is late, for as long as it may still come."""

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


def was_to_be_back_long_ago(house: House, event: Event) -> None:
    """Let the event wait, by a consumer that is at work over a connection that it has not lost since."""
    other = Event.new(f"{SOLD}.v1", subject="pears", sequence=1, data={"n": 0})
    house.send_raw(other.to_bytes())
    house.wait_for_effects(1)
    row = {"id": event.id, "line": f"shop/{event.subject}", "sequence": event.sequence, "at": datetime.now(UTC) - LATE}
    with house.engine.begin() as connection:
        connection.execute(text("INSERT INTO waiting VALUES (:id, :line, :sequence, :at)"), row)


def test_an_event_that_comes_back_behind_a_queue_of_half_an_hour_is_still_waited_for(house: House) -> None:
    first, second, third = (sold(sequence) for sequence in (1, 2, 3))
    house.consumer()
    was_to_be_back_long_ago(house, first)
    house.send_raw(second.to_bytes(), third.to_bytes(), first.to_bytes())
    house.wait_for_effects(4)
    assert house.sequences("apples") == [1, 2, 3]
    eventually(lambda: house.unfinished() == {})


def test_an_event_that_was_taken_out_of_its_wait_queue_is_given_up_by_who_waited_for_long(house: House) -> None:
    first, second = sold(1), sold(2)
    house.consumer()
    was_to_be_back_long_ago(house, first)
    now = datetime.now(UTC).timestamp()
    headers = {"waits-since": int(now - LATE.total_seconds()), "back-at": int(now)}
    house.send([Message(0, house.exchange, second.type, second.to_bytes(), CONTENT_TYPE, headers=headers)])
    house.wait_for_effects(2)
    assert house.sequences("apples") == [2]
    eventually(lambda: house.unfinished() == {})
