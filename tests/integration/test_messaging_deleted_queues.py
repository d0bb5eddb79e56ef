"""A queue or an exchange that somebody deletes in the console: whoever misses it waits, says so, and makes it again."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika
import pytest

from messaging.broker.link import Link
from messaging.errors import BrokerUnavailable
from messaging.topology import (
    dead_exchange,
    dead_queue,
    events_queue,
    shared_topology,
)
from tests.integration.messaging_house import House
from tests.integration.messaging_letters import Moody, bury, replay, sold
from tests.waiting import eventually


@contextmanager
def channel_to(house: House) -> Iterator[Any]:
    with pika.BlockingConnection(pika.URLParameters(house.amqp_url)) as connection:
        yield connection.channel()


def delete_queue(house: House, name: str) -> None:
    with channel_to(house) as channel:
        channel.queue_delete(name)


def delete_exchange(house: House, name: str) -> None:
    with channel_to(house) as channel:
        channel.exchange_delete(name)


def exists(house: House, queue: str) -> bool:
    try:
        house.broker.queue_state(queue)
    except BrokerUnavailable:
        return False
    return True


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What our own packages have logged, that is not mere information."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("messaging.") and record.levelno > logging.INFO
    ]


def test_a_consumer_makes_its_queue_again_and_goes_on(house: House, caplog: pytest.LogCaptureFixture) -> None:
    consumer = house.consumer()
    house.relay()
    house.sell("apples")
    house.wait_for_effects(1)
    caplog.clear()
    delete_queue(house, events_queue(house.service))
    eventually(lambda: not consumer.health.ready)
    eventually(lambda: consumer.health.ready)
    house.sell("apples")
    house.wait_for_effects(2)
    # RabbitMQ ended the subscription, knew no such queue, and may have failed at one that was just being made.
    assert len(logged(caplog)) <= 3


def test_a_relay_whose_exchange_is_gone_waits_and_says_for_what_and_logs_it_once(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections: list[Link] = []
    run_connection = Link._run_connection

    def count(link: Link) -> None:
        connections.append(link)
        run_connection(link)

    monkeypatch.setattr(Link, "_run_connection", count)
    house.subscribe()
    relay = house.relay()
    delete_exchange(house, house.exchange)
    house.sell("apples")
    house.sell("pears")
    missing = f"NOT_FOUND - no exchange '{house.exchange}'"
    eventually(lambda: missing in relay.health.doing)
    eventually(lambda: len(connections) >= 5)
    assert not relay.health.ready
    assert [missing in line for line in logged(caplog)] == [True]
    house.broker.declare(shared_topology(house.exchange))
    house.subscribe()
    eventually(lambda: house.pending() == 0 and relay.health.ready)


@pytest.mark.parametrize("missing", ["exchange", "queue"])
def test_a_dead_letter_finds_its_queue_though_that_was_deleted(house: House, moody: Moody, missing: str) -> None:
    house.consumer()
    if missing == "queue":
        delete_queue(house, dead_queue(house.service))
    else:
        delete_exchange(house, dead_exchange(house.service))
    bury(house, sold(1), sold(2))


def test_the_dead_letter_queue_is_made_again_and_filled_and_meanwhile_letters_are_replayed(
    house: House, moody: Moody
) -> None:
    house.consumer()
    letter, kept = bury(house, sold(1), sold(2))
    delete_queue(house, dead_queue(house.service))
    moody.refuses = False
    replay(house, letter)
    house.wait_for_effects(1)
    eventually(lambda: exists(house, dead_queue(house.service)) and house.dead_in_queue() == 1)
    assert [left.id for left in house.dead_letters()] == [kept]
