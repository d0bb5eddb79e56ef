"""Who waits in line gives up an earlier event only when that would long have been there if it still existed."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine

from messaging import RetryPolicy
from messaging.inbox import Known
from messaging.redirect import Redirector, lost_before
from messaging.testing import StubBroker
from messaging.topology import consumer_topology, events_queue
from messaging.transport import Delivery

NOW = datetime(2030, 1, 1, tzinfo=UTC)
POLICY = RetryPolicy(delays_ms=(1_000, 60_000), jitter=0)
MINUTE = timedelta(minutes=1)


def delivery(**headers: Any) -> Delivery:
    return Delivery(
        tag=1,
        connection=1,
        body=b"{}",
        content_type="application/json",
        routing_key="shop.sold.v1",
        message_id=str(uuid4()),
        type="shop.sold.v1",
        app_id="shop",
        correlation_id="",
        timestamp=None,
        headers=headers,
        redelivered=False,
    )


def test_an_event_that_has_gone_round_for_long_enough_tells_who_is_lost_and_not_before() -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        broker = StubBroker(lambda: datetime.now(UTC).timestamp())
        topology = consumer_topology("billing", ["shop.sold"], delays_ms=POLICY.delays_ms)
        broker.declare(topology)
        redirector = Redirector(broker, "billing", topology, threading.Event())
        receiver = broker.receiver(events_queue("billing"), prefetch=10)
        waiting, rounds = delivery(), 0
        while (lost := lost_before(waiting, POLICY.patience)) is None:
            delay, back_at = POLICY.behind(NOW + timedelta(days=1))
            redirector.to_wait_queue(waiting, delay, back_at, attempts=0)
            clock.shift(timedelta(milliseconds=delay))
            (waiting,) = receiver.receive(10, 0)
            receiver.ack([waiting])
            rounds += 1
        assert lost == datetime.now(UTC) - POLICY.patience
        assert rounds == POLICY.patience // MINUTE + 2  # the first one does not count, and the last one exceeds it


def test_a_slow_consumer_or_a_broker_that_was_away_does_not_look_like_a_loss() -> None:
    seconds = int(NOW.timestamp())
    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        assert lost_before(delivery(), POLICY.patience) is None
        assert lost_before(delivery(**{"back-at": seconds}), POLICY.patience) is None
        assert lost_before(delivery(**{"back-at": seconds + 60, "waits-since": seconds}), POLICY.patience) is None


@pytest.mark.parametrize("foreign", ["soon", None, -1, 2**60, 1.5])
def test_headers_of_somebody_else_say_nothing(foreign: object) -> None:
    assert lost_before(delivery(**{"back-at": foreign, "waits-since": 0}), POLICY.patience) is None
    assert lost_before(delivery(**{"back-at": 10**9, "waits-since": foreign}), POLICY.patience) is None


def test_the_longest_delay_counts_towards_the_patience() -> None:
    longer = RetryPolicy(delays_ms=(1_000, 3_600_000))
    assert longer.patience - POLICY.patience == timedelta(minutes=59)


def test_only_earlier_events_that_were_to_be_back_before_that_time_are_given_up() -> None:
    lines = Known({"shop/1": {1: NOW - MINUTE, 2: NOW + MINUTE, 5: NOW - MINUTE}, "shop/2": {1: NOW - MINUTE}})
    assert lines.ask("shop/1", 4, lost_before=NOW) == NOW + MINUTE
    assert lines.lost == {("shop/1", 1)}


def test_whose_line_is_empty_once_the_lost_ones_are_given_up_may_be_handled() -> None:
    lines = Known({"shop/1": {1: NOW - MINUTE, 2: NOW - MINUTE}})
    assert lines.ask("shop/1", 3, lost_before=NOW) is None
    assert lines.lost == {("shop/1", 1), ("shop/1", 2)}


def test_others_wait_until_whoever_is_sent_back_to_the_line_is_there_itself() -> None:
    lines = Known({"shop/1": {1: NOW}})
    assert lines.ask("shop/1", 2) == NOW
    lines.wait("shop/1", 2, NOW + MINUTE)
    assert lines.ask("shop/1", 1) is None
    assert lines.ask("shop/1", 3) == NOW + MINUTE
