"""The next events of an aggregate follow each other without the relay: in order, whatever happens in the middle."""

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from random import Random
from unittest.mock import patch

import pytest

from messaging import lines
from messaging.lines import Lines
from messaging.outbox_reader import PendingEvent
from tests.unit.messaging_unreliable import Answer, UnreliablePublisher
from tests.unit.messaging_world import World

EVENTS = 10


def events_of(subject: str, numbers: range) -> list[PendingEvent]:
    return [PendingEvent(n, f"event-{n}", "shop.sold.v1", subject, n, "", 0.0, b"{}") for n in numbers]


@pytest.fixture
def world() -> Iterator[World]:
    """A world in which the first chain has all events in it."""
    made = World()
    for _ in range(EVENTS):
        made.write(1, "apples")
    made.commit(1)
    limits = {"lines._LINE": 100, "lines._CHAIN": 100, "relay._FIRST_FETCH": EVENTS, "relay._WINDOW_BYTES": 100_000}
    with ExitStack() as patches:
        patches.callback(made.close)
        for name, limit in limits.items():
            patches.enter_context(patch(f"messaging.{name}", limit))
        yield made


def begun_chain(world: World) -> UnreliablePublisher:
    """Let the relay with the large window hand the chain over."""
    relay = world.relays[1]
    while not (world.broker.publishers and world.broker.publishers[0].on_the_wire()):
        relay.step()
    return world.broker.publishers[0]


def broker_does(publisher: UnreliablePublisher, answer: Answer) -> None:
    publisher.broker_takes(1, answer, Random(1))
    publisher.broker_answers(1, Random(1))


def test_a_chain_goes_on_while_the_relay_is_busy_and_one_event_is_on_its_way_at_a_time(world: World) -> None:
    publisher = begun_chain(world)
    for _ in range(EVENTS):
        assert publisher.on_the_wire() == 1
        broker_does(publisher, "confirmed")
    assert publisher.on_the_wire() == 0
    assert len(world.outbox.pending()) == EVENTS
    world.finish()
    world.effects_are_in_order()
    world.everything_has_one_effect()


@pytest.mark.parametrize("answer", ["refused", "returned"])
def test_nothing_follows_an_event_that_is_refused_in_the_middle_of_a_chain(world: World, answer: Answer) -> None:
    publisher = begun_chain(world)
    for _ in range(EVENTS // 2):
        broker_does(publisher, "confirmed")
    broker_does(publisher, answer)
    assert publisher.on_the_wire() == 0
    world.finish()
    world.effects_are_in_order()
    world.everything_has_one_effect()


def test_a_connection_that_is_lost_in_the_middle_of_a_chain_lets_nothing_overtake(world: World) -> None:
    publisher = begun_chain(world)
    for _ in range(EVENTS // 2):
        broker_does(publisher, "confirmed")
    publisher.broker_takes(1, "confirmed", Random(1))
    publisher.lose()
    assert publisher.on_the_wire() == 0
    world.finish()
    world.effects_are_in_order()
    world.everything_has_one_effect()


def test_a_relay_that_is_killed_in_the_middle_of_a_chain_loses_nothing_and_reorders_nothing(world: World) -> None:
    publisher = begun_chain(world)
    for _ in range(EVENTS // 2):
        broker_does(publisher, "confirmed")
    world.restart_relay(1)
    assert len(world.outbox.pending()) == EVENTS
    world.finish()
    world.effects_are_in_order()
    world.everything_has_one_effect()


def test_a_relay_that_loses_its_place_in_the_middle_of_a_chain_lets_another_begin_where_it_was(world: World) -> None:
    publisher = begun_chain(world)
    for _ in range(EVENTS // 2):
        broker_does(publisher, "confirmed")
    assert world.outbox.locked_by is not None
    world.outbox.locked_by.lose()
    standby = world.relays[0]
    while len(world.broker.publishers) == 1:
        standby.step()
    for _ in range(EVENTS):
        for sending in list(world.broker.publishers):
            broker_does(sending, "confirmed")
        standby.step()
    world.finish()
    world.effects_are_in_order()
    world.everything_has_one_effect()


def test_a_relay_that_is_stopped_in_the_middle_of_a_chain_marks_all_that_was_sent_of_it(world: World) -> None:
    publisher = begun_chain(world)
    relay = world.relays[1]
    for _ in range(EVENTS // 2):
        broker_does(publisher, "confirmed")
    relay.stop.set()
    while not relay.ended:
        broker_does(publisher, "confirmed")
        relay.step()
    assert world.outbox.pending() == []


def test_the_rest_of_a_chain_whose_event_is_refused_while_the_relay_stops_stays_in_the_outbox(world: World) -> None:
    publisher = begun_chain(world)
    relay = world.relays[1]
    for _ in range(EVENTS // 2):
        broker_does(publisher, "confirmed")
    relay.stop.set()
    broker_does(publisher, "returned")
    while not relay.ended:
        relay.step()
    assert len(world.outbox.pending()) == EVENTS - EVENTS // 2


def test_a_chain_is_never_longer_than_allowed_and_the_next_begins_when_its_last_event_is_confirmed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "_CHAIN", 3)
    window, events = Lines(), events_of("apples", range(7))
    begun = window.add(events)
    assert begun == [events[:3]]
    ends = [window.confirmed(event) for event in events[:3]]
    assert ends == [False, False, True]
    assert window.next_chain("apples") == events[3:6]


def test_what_is_fetched_while_a_chain_is_on_its_way_waits_for_its_end() -> None:
    window, events = Lines(), events_of("apples", range(4))
    assert window.add(events[:2]) == [events[:2]]
    assert window.add(events[2:]) == []
    assert window.handed_over() == 2
    assert [window.confirmed(event) for event in events[:2]] == [False, True]
    assert window.next_chain("apples") == events[2:]


def test_of_a_line_that_is_dropped_nothing_is_left() -> None:
    window, events = Lines(), deque(events_of("apples", range(4)))
    window.add(events)
    window.confirmed(events.popleft())
    window.drop("apples")
    assert (window.by_id, window.size, window.handed_over()) == ({}, 0, 0)
