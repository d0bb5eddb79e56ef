"""Later events of an aggregate wait behind a dead letter, if its handler keeps their order."""

import threading
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from messaging import Event, PermanentError
from messaging.dead_letters import Decision, Selection, State, decide, decide_all, read_dead_letter, replay_edited
from messaging.envelope import CONTENT_TYPE
from messaging.topology import dead_exchange
from messaging.transport import Message
from tests.integration.messaging_house import SOLD, House
from tests.integration.messaging_letters import ADA, replay, state
from tests.waiting import eventually


class Refusing:
    """A handler that refuses the events with these numbers."""

    def __init__(self, *numbers: int) -> None:
        self.refuses = set(numbers)

    def __call__(self, _session: Session, event: Event) -> None:
        if event.data["n"] in self.refuses:
            raise PermanentError(f"not {event.data['n']}")


def sold(sequence: int, subject: str = "apples") -> Event:
    return Event.new(f"{SOLD}.v1", subject=subject, sequence=sequence, data={"n": sequence})


def send(house: House, *events: Event) -> None:
    house.send_raw(*(event.to_bytes() for event in events))


def dead(house: House, count: int = 1) -> list[UUID]:
    letters = eventually(lambda: len(found := house.dead_letters()) == count and found)
    return [letter.id for letter in letters]


def blocked(house: House, count: int) -> None:
    eventually(lambda: house.unfinished() == {"waiting": count})


@pytest.fixture(params=[False, True], ids=["one by one", "in batches"])
def house(house: House, request: pytest.FixtureRequest) -> House:
    house.in_batches = request.param
    house.keeps_order = True
    return house


def test_later_events_of_the_aggregate_wait_and_others_flow(house: House) -> None:
    house.handler = Refusing(2)
    house.consumer()
    send(house, *(sold(n) for n in range(1, 6)), sold(1, "pears"), sold(3, "pears"))
    dead(house)
    blocked(house, 3)
    assert house.sequences("apples") == [1]
    assert house.sequences("pears") == [1, 3]


def test_they_follow_in_their_order_when_it_is_replayed(house: House) -> None:
    house.handler = refusing = Refusing(2)
    house.consumer()
    send(house, *(sold(n) for n in range(1, 6)))
    (letter,) = dead(house)
    blocked(house, 3)
    refusing.refuses = set()
    replay(house, letter)
    house.wait_for_effects(5)
    assert house.sequences("apples") == [1, 2, 3, 4, 5]
    assert state(house, letter) is State.REPLAYED
    eventually(lambda: house.unfinished() == {})


def test_they_follow_in_their_order_when_it_is_discarded(house: House) -> None:
    house.handler = Refusing(2)
    house.consumer()
    send(house, *(sold(n) for n in range(1, 6)))
    (letter,) = dead(house)
    blocked(house, 3)
    with house.sessions.begin() as session:
        decide(session, letter, Decision.DISCARD, by=ADA)
    house.wait_for_effects(4)
    assert house.sequences("apples") == [1, 3, 4, 5]
    eventually(lambda: house.unfinished() == {})


def test_they_follow_the_event_that_was_sent_in_its_place(house: House) -> None:
    house.handler = Refusing(2)
    house.consumer()
    send(house, *(sold(n) for n in range(1, 6)))
    (letter,) = dead(house)
    blocked(house, 3)
    with house.sessions.begin() as session:
        replay_edited(session, letter, {"data": {"n": 20}}, by=ADA, registry=house.registry)
    house.wait_for_effects(5)
    assert [(effect.sequence, effect.n) for effect in house.effects()] == [(1, 1), (2, 20), (3, 3), (4, 4), (5, 5)]


def test_they_go_on_waiting_when_its_replay_fails(house: House) -> None:
    house.handler = refusing = Refusing(2)
    house.consumer()
    send(house, sold(1), sold(2), sold(3))
    (letter,) = dead(house)
    blocked(house, 1)
    replay(house, letter)
    eventually(lambda: house.dead_letters()[0].deaths == 2)
    assert house.sequences("apples") == [1]
    refusing.refuses = set()
    replay(house, letter)
    house.wait_for_effects(3)
    assert house.sequences("apples") == [1, 2, 3]


def test_who_dies_in_the_line_holds_up_those_behind_it(house: House) -> None:
    house.handler = refusing = Refusing(2, 4)
    house.consumer()
    send(house, *(sold(n) for n in range(1, 7)))
    (first,) = dead(house)
    blocked(house, 4)
    refusing.refuses = {4}
    replay(house, first)
    (second,) = eventually(lambda: [letter for letter in dead(house) if letter != first])
    blocked(house, 2)
    assert house.sequences("apples") == [1, 2, 3]
    refusing.refuses = set()
    replay(house, second)
    house.wait_for_effects(6)
    assert house.sequences("apples") == [1, 2, 3, 4, 5, 6]


def test_of_two_dead_in_one_line_the_later_one_is_replayed_after_the_earlier_one(house: House) -> None:
    house.handler = refusing = Refusing(1, 2)
    house.subscribe()
    first, second, third = sold(1), sold(2), sold(3)
    unfit = replace(second, data={"n": "many"})  # it dies at once, and not in its turn
    send(house, first, unfit, third)
    house.consumer()
    dead(house, 2)
    blocked(house, 1)
    refusing.refuses = set()
    with house.sessions.begin() as session:
        replay_edited(session, second.id, {"data": {"n": 2}}, by=ADA, registry=house.registry)
    eventually(lambda: state(house, second.id) is State.REPLAYED)
    blocked(house, 2)
    replay(house, first.id)
    house.wait_for_effects(3)
    assert house.sequences("apples") == [1, 2, 3]


def test_a_long_line_follows_in_its_order(house: House) -> None:
    house.handler = refusing = Refusing(1)
    house.consumer(batch=7)
    send(house, *(sold(n) for n in range(1, 61)))
    (letter,) = dead(house)
    blocked(house, 59)
    refusing.refuses = set()
    replay(house, letter)
    house.wait_for_effects(60)
    assert house.sequences("apples") == list(range(1, 61))


def test_many_lines_are_let_go_by_one_decision(house: House) -> None:
    house.handler = Refusing(1)
    house.consumer()
    shelves = [f"shelf-{n}" for n in range(20)]
    send(house, *(sold(n, shelf) for n in (1, 2, 3) for shelf in shelves))
    dead(house, 20)
    blocked(house, 40)
    with house.sessions.begin() as session:
        assert decide_all(session, Selection(), Decision.DISCARD, by=ADA) == 20
    house.wait_for_effects(40)
    assert all(house.sequences(shelf) == [2, 3] for shelf in shelves)


def test_an_event_that_does_not_fit_its_schema_holds_up_those_behind_it_too(house: House) -> None:
    house.consumer()
    send(house, replace(sold(1), data={"n": "many"}), sold(2))
    (letter,) = dead(house)
    blocked(house, 1)
    with house.sessions.begin() as session:
        decide(session, letter, Decision.DISCARD, by=ADA)
    house.wait_for_effects(1)


def test_nobody_waits_for_what_a_stranger_has_sent_in_the_name_of_the_producer(house: House) -> None:
    house.consumer()
    forged = sold(1).to_bytes()
    house.send_raw(forged, type=f"{SOLD}.v2")
    send(house, sold(2))
    house.wait_for_effects(1)
    dead(house)
    assert house.unfinished() == {}


def test_events_go_on_behind_the_dead_letter_of_a_handler_that_does_not_ask_for_it(house: House) -> None:
    house.keeps_order = False
    house.handler = Refusing(2)
    house.consumer()
    send(house, *(sold(n) for n in range(1, 6)))
    dead(house)
    house.wait_for_effects(4)
    assert house.sequences("apples") == [1, 3, 4, 5]


def test_a_letter_tells_how_many_wait_behind_it_and_one_that_waits_for_whom(house: House) -> None:
    house.handler = Refusing(1)
    house.consumer()
    first, second, third = sold(1), sold(2), sold(3)
    send(house, first, second, third)
    dead(house)
    blocked(house, 2)
    with house.sessions() as session:
        assert read_dead_letter(session, first.id).waiting_behind == 2
        assert read_dead_letter(session, third.id).behind == first.id
        assert read_dead_letter(session, third.id).letter.state is State.BLOCKED


def test_a_line_outlives_a_rebuild(house: House) -> None:
    house.handler = refusing = Refusing(2)
    house.relay()
    house.consumer()
    for n in range(1, 5):
        house.sell("apples", n)
    (letter,) = dead(house)
    blocked(house, 2)
    report = house.make_replay(rebuild=True).run(threading.Event())
    assert (report.stayed_dead, report.outcomes) == (1, {"done": 1, "waiting": 2})
    blocked(house, 2)
    refusing.refuses = set()
    replay(house, letter)
    house.wait_for_effects(4)
    assert house.sequences("apples") == [1, 2, 3, 4]


def test_a_letter_that_rabbitmq_gave_up_takes_its_place_in_the_line_when_it_is_replayed(house: House) -> None:
    house.handler = refusing = Refusing(1)
    house.consumer()
    first, second = sold(1), sold(2)
    send(house, first)
    dead(house)
    house.send([as_given_up(house, second)])
    dead(house, 2)
    replay(house, second.id)
    blocked(house, 1)
    refusing.refuses = set()
    replay(house, first.id)
    house.wait_for_effects(2)
    assert house.sequences("apples") == [1, 2]


def as_given_up(house: House, event: Event) -> Message:
    return Message(
        0, dead_exchange(house.service), "", event.to_bytes(), CONTENT_TYPE, message_id=str(event.id), type=event.type
    )


def test_a_decision_and_a_slow_handler_that_meet_in_a_line_do_not_wait_for_each_other(house: House) -> None:
    inside, decided = threading.Event(), threading.Event()
    refusing = Refusing(1)

    def handle(session: Session, event: Event) -> None:
        if event.subject == "pears":
            inside.set()
            assert decided.wait(20)
        refusing(session, event)

    house.handler = handle
    house.consumer()
    first, second = sold(1), sold(2)
    send(house, first, second)
    (letter,) = dead(house)
    blocked(house, 1)
    house.stop_last()
    send(house, second, sold(5, "pears"))  # a copy of what is blocked, and one that takes long
    house.consumer()
    assert inside.wait(20)
    with house.sessions.begin() as session:
        decide(session, letter, Decision.DISCARD, by=ADA)
    decided.set()
    house.wait_for_effects(2)
    assert house.outcomes["retry"] == 0
    assert house.sequences("apples") == [2]
