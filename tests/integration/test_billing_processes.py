"""Billing's real processes and a real broker, with the consumer killed in the middle of its work."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import pytest

from chassis.settings import EXCHANGE
from messaging import Event, RabbitBroker
from messaging.envelope import CONTENT_TYPE
from messaging.topology import consumer_topology
from messaging.transport import Message
from tests.conftest import Vhost
from tests.integration.billing_house import House, history
from tests.integration.service_processes import running, variables
from tests.waiting import eventually


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing", broker=True))
    yield house
    house.dispose()


def send(vhost: Vhost, events: Sequence[Event]) -> None:
    """Publish the events as auth's and the tracker's relays do."""
    publishers = {name: RabbitBroker(vhost.url(name), name="test").publisher() for name in ("auth", "tracker")}
    try:
        for publisher in publishers.values():
            assert publisher.wait_until_connected(10)
        for number, event in enumerate(events):
            message = Message(number, EXCHANGE, event.type, event.to_bytes(), CONTENT_TYPE, message_id=str(event.id))
            publishers[event.producer].send([message])
        confirmed = 0
        while confirmed < len(events):
            outcomes = [outcome for publisher in publishers.values() for outcome in publisher.outcomes(0.1)]
            assert all(outcome.confirmed for outcome in outcomes)
            confirmed += len(outcomes)
    finally:
        for publisher in publishers.values():
            publisher.close()


def count(house: House, what: str) -> int:
    ((number,),) = house.rows(f"SELECT count(*) FROM {what}")
    return int(number)


def test_a_consumer_that_is_killed_loses_no_cent_and_posts_none_twice(house: House, vhost: Vhost) -> None:
    made = history(Random(21), people=20, tasks=500)
    postings = made.fees + made.rewards
    names = {event.name for event in made.events}
    RabbitBroker(vhost.administrator_url, name="test").declare(consumer_topology("billing", names, exchange=EXCHANGE))
    doubled = made.events + made.random.sample(made.events, len(made.events) // 3)
    made.random.shuffle(doubled)
    send(vhost, doubled)

    told = variables(house.settings)
    with running("billing", "consumer", told) as consumer:
        eventually(lambda: count(house, "ledger_transactions") > postings // 5, every=0.01)
        consumer.kill()
    assert count(house, "ledger_transactions") < postings
    with running("billing", "consumer", told):
        eventually(lambda: count(house, "ledger_transactions") == postings)
        eventually(lambda: count(house, "inbox") == len(made.events))

    assert house.problems() == []
    kinds = Counter(row.kind for row in house.rows("SELECT kind FROM ledger_transactions"))
    assert kinds == {"fee": made.fees, "reward": made.rewards}

    with running("billing", "relay", told), running("billing", "scheduler", told):
        eventually(lambda: count(house, "outbox WHERE published_at IS NULL") == 0)
        eventually(lambda: count(house, "robot_run WHERE finished_at IS NOT NULL") == 1)
    assert count(house, "outbox") == len(house.events())
