"""What the broker returns or refuses is sent again, and nothing overtakes it meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pika
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from messaging import Event, PermanentError
from messaging.dead_letters import mirror
from messaging.topology import dead_queue, events_queue, shared_topology, unrouted_name
from tests.conftest import Vhost
from tests.integration.messaging_house import COUNTED, SOLD, House
from tests.waiting import eventually

SHELVES = ("apples", "pears", "plums")
POLICY = "policies/{vhost}/full"


def sell_of_each(house: House, count: int) -> None:
    for _ in range(count):
        for shelf in SHELVES:
            house.sell(shelf)


def saw_everything_in_order(house: House, count: int) -> None:
    house.wait_for_effects(count * len(SHELVES))
    assert [house.sequences(shelf) for shelf in SHELVES] == [list(range(1, count + 1))] * len(SHELVES)


@contextmanager
def channel_to(house: House) -> Iterator[Any]:
    with pika.BlockingConnection(pika.URLParameters(house.amqp_url)) as connection:
        yield connection.channel()


@pytest.fixture
def full(vhost: Vhost) -> Iterator[Callable[[str], None]]:
    """Let a queue that is yet to be declared refuse messages while it has more than one."""

    def set_full(queue: str) -> None:
        limit = {"max-length": 1, "overflow": "reject-publish"}
        vhost.manage("PUT", POLICY, json={"pattern": f"^{queue}$", "definition": limit, "apply-to": "queues"})

    yield set_full
    vhost.manage("DELETE", POLICY)


def test_events_that_no_queue_takes_for_a_while_are_sent_when_the_binding_is_back(house: House) -> None:
    house.consumer()
    relay = house.relay()
    with channel_to(house) as channel:
        channel.queue_delete(unrouted_name(house.exchange))
        for round_ in range(3):
            channel.queue_unbind(events_queue(house.service), house.exchange, f"{SOLD}.*")
            sell_of_each(house, 5)
            eventually(lambda: "returned: NO_ROUTE" in relay.health.doing)
            sell_of_each(house, 5)
            channel.queue_bind(events_queue(house.service), house.exchange, f"{SOLD}.*")
            saw_everything_in_order(house, 10 * (round_ + 1))
    eventually(lambda: house.pending() == 0)
    house.broker.declare(shared_topology(house.exchange))


def test_events_that_no_queue_takes_wait_with_their_aggregates_and_everything_else_flows(house: House) -> None:
    house.consumer()
    relay = house.relay()
    with channel_to(house) as channel:
        channel.queue_delete(unrouted_name(house.exchange))
        for n, shelf in enumerate(SHELVES):  # refused at different moments, so that there is news of them all the time
            house.count(shelf)
            house.sell(shelf)
            eventually(lambda: f"{COUNTED}.v2 (returned: NO_ROUTE)" in relay.health.doing)
            house.sell("cherries")
            house.wait_for_effects(n + 1)
    assert house.sequences("cherries") == list(range(1, len(SHELVES) + 1))
    assert [house.sequences(shelf) for shelf in SHELVES] == [[]] * len(SHELVES)
    assert not relay.health.ready
    house.broker.declare(shared_topology(house.exchange))
    house.wait_for_effects(2 * len(SHELVES))
    assert [house.sequences(shelf) for shelf in SHELVES] == [[2]] * len(SHELVES)
    eventually(lambda: relay.health.ready and house.pending() == 0)


def test_an_event_that_is_refused_in_the_middle_of_a_chain_lets_nothing_behind_it_overtake(house: House) -> None:
    house.subscribe()
    for _ in range(3):
        sell_of_each(house, 5)
        for shelf in SHELVES:
            house.count(shelf)
    with channel_to(house) as channel:
        channel.queue_delete(unrouted_name(house.exchange))
    house.consumer()
    relay = house.relay()
    house.wait_for_effects(5 * len(SHELVES))
    eventually(lambda: f"{COUNTED}.v2 (returned: NO_ROUTE)" in relay.health.doing)
    house.sell("cherries")
    eventually(lambda: house.sequences("cherries") == [1])
    assert [house.sequences(shelf) for shelf in SHELVES] == [[1, 2, 3, 4, 5]] * len(SHELVES)
    house.broker.declare(shared_topology(house.exchange))
    house.wait_for_effects(15 * len(SHELVES) + 1)
    expected = [number for number in range(1, 18) if number % 6]
    assert [house.sequences(shelf) for shelf in SHELVES] == [expected] * len(SHELVES)
    eventually(lambda: relay.health.ready and house.pending() == 0)


def test_more_refused_events_than_a_relay_keeps_hold_up_nothing_but_their_aggregates(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging.refusals._KEPT", 3)
    house.consumer()
    counted = [f"shelf-{n}" for n in range(20)]
    with channel_to(house) as channel:
        channel.queue_delete(unrouted_name(house.exchange))
    for shelf in counted:
        house.count(shelf)
        house.sell(shelf)
    relay = house.relay(window=10)
    eventually(lambda: COUNTED in relay.health.doing)
    sell_of_each(house, 5)
    saw_everything_in_order(house, 5)
    assert house.pending() == 2 * len(counted)
    house.broker.declare(shared_topology(house.exchange))
    house.wait_for_effects(5 * len(SHELVES) + len(counted))
    assert [house.sequences(shelf) for shelf in counted] == [[2]] * len(counted)
    eventually(lambda: house.pending() == 0)


def test_events_that_one_full_queue_refuses_reach_every_service_once_and_in_order(
    house: House, neighbour: House, full: Callable[[str], None]
) -> None:
    house.consumer()
    full(events_queue(neighbour.service))
    neighbour.subscribe()
    house.relay()
    sell_of_each(house, 3)
    # Refused as a whole, though the other queue had room: so that one gets it again and again.
    eventually(lambda: house.outcomes["duplicate"] >= len(SHELVES))
    assert house.pending() > 0
    neighbour.consumer()
    for service in (house, neighbour):
        saw_everything_in_order(service, 3)
    eventually(lambda: house.pending() == 0)


def test_an_event_that_cannot_be_encoded_costs_nobody_the_connection(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """`publish` lets none through; this one was written by hand."""
    house.consumer()
    house.sell("nuts")
    with house.engine.begin() as connection:
        connection.execute(text("UPDATE outbox SET created_at = '1969-12-31T00:00:00Z'"))
    sell_of_each(house, 2)
    house.relay()
    saw_everything_in_order(house, 2)
    eventually(lambda: house.pending() == 1)
    assert "cannot be encoded" in caplog.text
    assert "lost" not in caplog.text


def test_events_are_taken_again_after_the_limit_of_a_full_queue_is_gone(
    house: House, vhost: Vhost, full: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging.broker.publisher._STUBBORN", 2.0)
    full(events_queue(house.service))
    house.subscribe()
    relay = house.relay()
    sell_of_each(house, 3)
    eventually(lambda: "refused by the broker" in relay.health.doing)
    full("nothing")  # RabbitMQ goes on refusing on the channel on which it has begun to
    eventually(lambda: house.pending() == 0)
    eventually(lambda: relay.health.ready)
    house.consumer()
    saw_everything_in_order(house, 3)


def test_events_that_can_never_be_handled_are_on_record_while_the_dead_letter_queue_is_full(
    house: House, full: Callable[[str], None], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_session: Session, event: Event) -> None:
        raise PermanentError("not this one")

    house.handler = refuse
    monkeypatch.setattr(mirror, "_CHUNK", 1)
    full(dead_queue(house.service))
    house.subscribe()
    sell_of_each(house, 2)
    house.consumer()
    house.relay()
    eventually(lambda: len(house.dead_letters()) == 2 * len(SHELVES))
    eventually(lambda: house.unfinished() == {})
    eventually(lambda: "messages were not taken" in caplog.text)
    dead = set(house.queued(dead_queue(house.service), 2 * len(SHELVES)))
    assert len(dead) == 2 * len(SHELVES)
