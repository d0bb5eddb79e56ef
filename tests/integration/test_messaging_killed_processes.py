"""A relay or a consumer that is killed between any two steps: afterwards every event was applied once and in order."""

import os
import signal
import threading
from functools import partial
from itertools import cycle, islice
from random import Random
from unittest.mock import Mock

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from messaging import Event, PermanentError, RetryLater, held
from messaging.topology import events_queue
from tests.integration.messaging_house import House
from tests.integration.messaging_processes import (
    DEATHS_EACH,
    Handler,
    KillPoint,
    Processes,
    Role,
    lives_until,
    stop,
    wait_for_death,
)
from tests.waiting import eventually

pytestmark = pytest.mark.slow

SHELVES = tuple(f"shelf-{n}" for n in range(6))
EVENTS = 60
IN_ORDER = list(range(1, EVENTS // len(SHELVES) + 1))
WRITERS = 24
#: Events of one writer.
EACH = 20
#: `n` of the one event that can never be handled.
REFUSED = -1

_SEND = "messaging.broker.publisher:RabbitPublisher.send_chains"
_ACK = "messaging.broker.receiver:RabbitReceiver.ack"
_FAILED = "messaging.handling:Handling._failed"
_BURY = "messaging.handling:Handling.bury"
_HELD = "messaging.handling:Handling.handle_held"

RELAY_POINTS = [
    KillPoint("between commit and publication", _SEND),
    KillPoint("while it publishes", "messaging.broker.link:Connection.write", on_pass=4),
    KillPoint("in the middle of a chain", "messaging.broker.publisher:RabbitPublisher._on_confirm", "after", on_pass=3),
    KillPoint("between publication and confirmation", "messaging.broker.publisher:RabbitPublisher.outcomes", "after"),
    KillPoint("between confirmation and mark", "messaging.outbox_reader:OutboxReader.mark_published"),
    KillPoint("after some marks", "messaging.outbox_reader:OutboxReader.mark_published", "after"),
]
HANDLER_POINTS = [
    KillPoint("in the middle of a handler", "tests.integration.messaging_house:House._handle", "after", on_pass=2),
    KillPoint("between the commit of the effect and the ack", _ACK),
]
AFTER_COMMIT = KillPoint("right after the commit", "tests.integration.messaging_house:OutcomeCounter.outcome")
RETRY_POINTS = [
    KillPoint("between the failure and the note that it waits", _FAILED),
    KillPoint("between the note that it waits and the ack", _ACK, following=_FAILED),
    KillPoint("between the look for what is due and its handling", _HELD),
    KillPoint("right after what waited was handled", _HELD, "after"),
]
DEAD_LETTER_POINTS = [
    KillPoint("between the record of its death and the ack", _ACK, following=_BURY),
    KillPoint("between the record of its death and the dead-letter queue", "messaging.forwarder:Forwarder.send"),
    KillPoint("between the dead-letter queue and the note of it", "messaging.forwarder:Forwarder.confirmed", "after"),
]
BURIED = KillPoint("right after its death was written down", _BURY, "after")

_failed_here: set[tuple[str, int]] = set()


def fails_at_first(_session: Session, event: Event) -> None:
    """Every fifth event of a shelf fails on the first attempt that this process makes."""
    key = (event.subject, event.sequence)
    if event.sequence % 5 == 1 and key not in _failed_here:
        _failed_here.add(key)
        raise RetryLater("not yet")


def kills_the_process(_session: Session, event: Event) -> None:
    if event.data["n"] == REFUSED:
        os.kill(os.getpid(), signal.SIGKILL)


def refuses_one(_session: Session, event: Event) -> None:
    if event.data["n"] == REFUSED:
        raise PermanentError("not this one")


def named(points: list[KillPoint]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("point", points, ids=[point.name.replace(" ", "-") for point in points])


def sell(house: House, count: int = EVENTS) -> None:
    for n, shelf in enumerate(islice(cycle(SHELVES), count)):
        house.sell(shelf, n)


def kill(
    processes: Processes, house: House, point: KillPoint, handler: Handler | None = None, *, times: int = 2
) -> None:
    role: Role = "relay" if point in RELAY_POINTS else "consumer"
    for _ in range(times):
        wait_for_death(processes.start(role, house, handler=handler, dies=point))


def everything_was_applied_once_and_in_order(*houses: House) -> None:
    for house in houses:
        house.wait_for_effects(EVENTS)
        assert [house.sequences(shelf) for shelf in SHELVES] == [IN_ORDER] * len(SHELVES)


def nothing_is_left_by(process: object, house: House) -> None:
    """Stop the consumer: what it still had in its hands, for it came twice, has no effect on the next one."""
    eventually(lambda: house.unfinished() == {})
    stop(process)
    eventually(partial(nothing_comes_back_from_another, house))
    assert set(house.outcomes) <= {"duplicate"}


def nothing_comes_back_from_another(house: House) -> bool:
    """Let another consumer take what there is; tell whether it has settled all of it when it is stopped."""
    house.consumer()
    eventually(lambda: house.unfinished() == {})
    house.stop_last()
    queue = events_queue(house.service)
    eventually(lambda: house.broker.queue_state(queue).consumers == 0)
    return house.broker.queue_state(queue).ready == 0


@named(RELAY_POINTS)
def test_every_subscriber_gets_everything_once_although_the_relay_was_killed(
    house: House, neighbour: House, processes: Processes, point: KillPoint
) -> None:
    house.consumer()
    neighbour.consumer()
    for _ in range(2):  # so that each life has something to do, however much the one before it has marked
        sell(house, EVENTS // 2)
        kill(processes, house, point, times=1)
    processes.start("relay", house)
    everything_was_applied_once_and_in_order(house, neighbour)
    eventually(lambda: house.unfinished() == {} == neighbour.unfinished())


@named(HANDLER_POINTS)
def test_every_subscriber_applies_everything_once_although_one_was_killed(
    house: House, neighbour: House, processes: Processes, point: KillPoint
) -> None:
    house.subscribe()
    neighbour.consumer()
    house.relay()
    sell(house)
    kill(processes, house, point)
    survivor = processes.start("consumer", house)
    everything_was_applied_once_and_in_order(house, neighbour)
    assert house.dead_letters() == []
    nothing_is_left_by(survivor, house)


@named(RETRY_POINTS)
def test_what_was_about_to_wait_when_the_consumer_was_killed_is_handled_once_and_in_order(
    house: House, processes: Processes, point: KillPoint
) -> None:
    house.subscribe()
    house.relay()
    sell(house)
    kill(processes, house, point, fails_at_first, times=1 if point.following else 2)
    survivor = processes.start("consumer", house, handler=fails_at_first)
    everything_was_applied_once_and_in_order(house)
    assert house.dead_letters() == []
    nothing_is_left_by(survivor, house)


@named(DEAD_LETTER_POINTS)
def test_what_died_when_the_consumer_was_killed_is_one_dead_letter(
    house: House, processes: Processes, point: KillPoint
) -> None:
    house.subscribe()
    house.relay()
    refused = house.sell("cellar", REFUSED)
    sell(house)
    kill(processes, house, point, refuses_one, times=1)
    survivor = processes.start("consumer", house, handler=refuses_one)
    everything_was_applied_once_and_in_order(house)
    nothing_is_left_by(survivor, house)
    (letter,) = house.dead_letters()
    assert (letter.id, letter.reason) == (refused.id, "refused-by-handler")
    house.mirror()  # each life of the consumer may have put a copy into the queue
    eventually(lambda: house.dead_in_queue() == 1)


def test_an_event_whose_effect_was_committed_is_never_blamed_for_the_death_of_the_process(
    house: House, processes: Processes
) -> None:
    house.subscribe()
    house.relay()
    sell(house)
    kill(processes, house, AFTER_COMMIT, times=3)
    survivor = processes.start("consumer", house)
    everything_was_applied_once_and_in_order(house)
    assert house.dead_letters() == []
    nothing_is_left_by(survivor, house)


def test_what_a_killed_consumer_had_in_its_hands_is_handled_together(
    house: House, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_alone = Mock(wraps=held.begin_alone)
    monkeypatch.setattr(held, "begin_alone", begin_alone)
    house.subscribe()
    house.relay()
    sell(house)
    eventually(lambda: house.pending() == 0)
    kill(processes, house, HANDLER_POINTS[0], times=1)
    house.consumer()
    everything_was_applied_once_and_in_order(house)
    assert begin_alone.call_count == 0
    eventually(lambda: house.unfinished() == {})


def test_an_event_that_was_taken_out_for_killing_the_process_does_not_kill_the_next_one(
    house: House, processes: Processes
) -> None:
    house.subscribe()
    house.relay()
    killer = house.sell("cellar", REFUSED)
    sell(house)
    life = partial(processes.start, "consumer", house, handler=kills_the_process, dies=BURIED)
    lives_until(house.dead_letters, life, at_most=DEATHS_EACH + 1)
    survivor = processes.start("consumer", house, handler=kills_the_process)
    everything_was_applied_once_and_in_order(house)
    nothing_is_left_by(survivor, house)
    (letter,) = house.dead_letters()
    assert (letter.id, letter.reason) == (killer.id, "kills-the-process")


def test_with_many_writers_each_aggregate_keeps_its_order_while_relays_and_consumers_are_killed_in_turn(
    house: House, neighbour: House, processes: Processes
) -> None:
    house.subscribe()
    neighbour.consumer()
    writers = [threading.Thread(target=write, args=(house, seed)) for seed in range(WRITERS)]
    with (
        processes.supervised("relay", house) as active,
        processes.supervised("relay", house) as standby,
        processes.supervised("consumer", house) as consumer,
    ):
        for writer in writers:
            writer.start()
        for round_, victim in enumerate((active, standby, consumer, active, standby, consumer), start=1):
            house.wait_for_effects(round_ * WRITERS * EACH // 8)
            victim.kill()
        for writer in writers:
            writer.join()
        for service in (house, neighbour):
            service.wait_for_effects(WRITERS * EACH)
        eventually(lambda: house.unfinished() == {} == neighbour.unfinished())
    assert active.deaths + standby.deaths + consumer.deaths >= 6
    assert house.dead_letters() == []
    for service in (house, neighbour):
        sequences = [service.sequences(shelf) for shelf in SHELVES]
        assert sequences == [list(range(1, len(seen) + 1)) for seen in sequences]
        assert sum(map(len, sequences)) == WRITERS * EACH


def write(house: House, seed: int) -> None:
    """Publish as a busy command does: some transactions commit later than others that began after them."""
    random = Random(seed)
    for n in range(EACH):
        with house.sessions.begin() as session:
            house.sell_in(session, random.choice(SHELVES), n)
            if random.random() < 0.3:
                house.draw_ids(session)
                session.execute(text("SELECT pg_sleep(0.01)"))
