"""A publisher of an older version beside one of the newest: one consumer understands both, in order."""

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from messaging import Event, SchemaRegistry, publish
from tests.integration.messaging_house import SOLD, House
from tests.waiting import eventually

EACH = 30


def paint(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "n": -data["n"], "colour": "grey"}


def sell_in_version_1(house: House, session: Session, n: int) -> None:
    event = Event.new(f"{SOLD}.v1", subject="old", sequence=n, data={"n": n})
    publish(session, event)


def sell_in_version_2(house: House, session: Session, n: int) -> None:
    house.sell_in(session, "new", n)


def sell_all(house: House, sell: Callable[[House, Session, int], None]) -> None:
    for n in range(1, EACH + 1):
        with house.sessions.begin() as session:
            sell(house, session, n)


def test_two_publishers_of_different_versions_feed_one_consumer(house: House) -> None:
    seen: list[Event] = []
    house.handler = lambda session, event: seen.append(event)
    house.registry = SchemaRegistry(house.registry.schemas, upcasters={f"{SOLD}.v1": paint})
    house.relay()
    house.consumer()
    publishers = [
        threading.Thread(target=sell_all, args=(house, sell)) for sell in (sell_in_version_1, sell_in_version_2)
    ]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join()
    house.wait_for_effects(2 * EACH)
    assert {event.type for event in seen} == {f"{SOLD}.v2"}
    assert [(e.sequence, e.n) for e in house.effects("old")] == [(n, -n) for n in range(1, EACH + 1)]
    assert [(e.sequence, e.n) for e in house.effects("new")] == [(n, n) for n in range(1, EACH + 1)]
    assert {event.subject: event.data["colour"] for event in seen} == {"old": "grey", "new": "red"}


def test_an_upcaster_that_fails_makes_a_dead_letter_and_the_next_event_is_handled(house: House) -> None:
    def refuse(data: dict[str, Any]) -> dict[str, Any]:
        raise ValueError("never heard of it")

    house.registry = SchemaRegistry(house.registry.schemas, upcasters={f"{SOLD}.v1": refuse})
    house.consumer()
    older = Event.new(f"{SOLD}.v1", subject="old", sequence=1, data={"n": 1})
    newest = Event.new(f"{SOLD}.v2", subject="new", sequence=1, data={"n": 2, "colour": "red"})
    house.send_raw(older.to_bytes())
    house.send_raw(newest.to_bytes(), type=newest.type)
    house.wait_for_effects(1)
    eventually(house.dead_letters)
    (letter,) = house.dead_letters()
    assert letter.reason == "schema-invalid"
    assert "cannot be lifted: ValueError('never heard of it')" in letter.detail
