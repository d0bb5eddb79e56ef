"""What any broker must do for relay and consumer, as tests: an adapter for another broker passes them, or it is none.

The broker in memory and RabbitMQ run them, too.
"""

import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from messaging.errors import TopologyConflict
from messaging.sender import SENT_BY
from messaging.topology import (
    Binding,
    Exchange,
    Queue,
    Topology,
    consumer_topology,
    replay_exchange,
    shared_topology,
)
from messaging.transport import Broker, Delivery, Message, Outcome, Publisher, QueueState, Receiver

#: Seconds that a broker may take for anything.
_PATIENCE = 20.0


def a_message(tag: int, *, exchange: str, routing_key: str = "shop.item_sold.v1", body: bytes = b"{}") -> Message:
    return Message(
        tag=tag,
        exchange=exchange,
        routing_key=routing_key,
        body=body,
        content_type="application/json",
        message_id=f"m-{tag}",
        type="shop.item_sold.v1",
        app_id="shop",
        correlation_id="c-1",
        timestamp=1_700_000_000,
        headers={"attempts": 3},
    )


def outcomes_of(publisher: Publisher, count: int) -> list[Outcome]:
    found: list[Outcome] = []
    deadline = time.monotonic() + _PATIENCE
    while len(found) < count and time.monotonic() < deadline:
        found += publisher.outcomes(0.2)
    return found


def receive(receiver: Receiver, count: int) -> list[Delivery]:
    found: list[Delivery] = []
    deadline = time.monotonic() + _PATIENCE
    while len(found) < count and time.monotonic() < deadline:
        found += receiver.receive(count - len(found), 0.2)
    return found


def _eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not check():
        assert time.monotonic() < deadline, f"not within {_PATIENCE} s"
        time.sleep(0.05)


class BrokerSuite:
    """Inherit, and give fixtures: `broker`; the name of its `user`; the same broker for `another` user."""

    @pytest.fixture
    def exchange(self, broker: Broker) -> str:
        name = f"house{uuid4().hex[:8]}.events"
        broker.declare(shared_topology(name))
        return name

    @pytest.fixture
    def service(self, broker: Broker, exchange: str) -> str:
        name = f"service{uuid4().hex[:8]}"
        broker.declare(consumer_topology(name, ["shop.item_sold"], exchange=exchange))
        return name

    def test_messages_arrive_in_order_with_all_they_carry(self, broker: Broker, exchange: str, service: str) -> None:
        publisher, receiver = broker.publisher(), broker.receiver(f"{service}.events", prefetch=100)
        publisher.send([a_message(tag, exchange=exchange) for tag in range(50)])
        assert [o for o in outcomes_of(publisher, 50) if not o.confirmed] == []
        arrived = receive(receiver, 50)
        assert [d.message_id for d in arrived] == [f"m-{tag}" for tag in range(50)]
        first = arrived[0]
        assert (first.body, first.content_type, first.type, first.app_id) == (
            b"{}",
            "application/json",
            "shop.item_sold.v1",
            "shop",
        )
        assert (
            first.routing_key,
            first.correlation_id,
            first.timestamp,
            first.headers["attempts"],
            first.redelivered,
        ) == (
            "shop.item_sold.v1",
            "c-1",
            1_700_000_000,
            3,
            False,
        )
        publisher.close()
        receiver.close()

    def test_every_version_of_a_subscribed_event_is_routed_and_nothing_else(
        self, broker: Broker, exchange: str, service: str
    ) -> None:
        publisher, receiver = broker.publisher(), broker.receiver(f"{service}.events", prefetch=10)
        keys = ["shop.item_sold.v1", "shop.item_sold.v2", "shop.item_returned.v1", "mill.item_made.v1"]
        publisher.send([a_message(n, exchange=exchange, routing_key=key) for n, key in enumerate(keys)])
        assert all(outcome.confirmed for outcome in outcomes_of(publisher, 4))
        assert [d.routing_key for d in receive(receiver, 2)] == keys[:2]
        assert receiver.receive(1, 0.2) == []
        unrouted = broker.receiver(exchange.replace(".events", ".unrouted"), prefetch=10)
        assert [d.routing_key for d in receive(unrouted, 2)] == keys[2:]
        for side in (publisher, receiver, unrouted):
            side.close()

    def test_a_message_that_no_queue_takes_is_reported(self, broker: Broker, exchange: str) -> None:
        publisher = broker.publisher()
        publisher.send([a_message(1, exchange=replay_exchange(exchange), routing_key="nobody.listens")])
        (outcome,) = outcomes_of(publisher, 1)
        assert (outcome.confirmed, "NO_ROUTE" in outcome.reason) == (False, True)
        publisher.close()

    def test_each_message_of_a_chain_follows_the_one_before_it(
        self, broker: Broker, exchange: str, service: str
    ) -> None:
        publisher, receiver = broker.publisher(), broker.receiver(f"{service}.events", prefetch=100)
        chains = [range(0, 20), range(20, 40), range(40, 41)]
        publisher.send_chains([a_message(tag, exchange=exchange) for tag in chain] for chain in chains)
        outcomes = outcomes_of(publisher, 41)
        assert all(outcome.confirmed for outcome in outcomes)
        answered = [outcome.tag for outcome in outcomes]
        arrived = [int(delivery.message_id.removeprefix("m-")) for delivery in receive(receiver, 41)]
        for chain in chains:
            assert [tag for tag in answered if tag in chain] == [tag for tag in arrived if tag in chain] == list(chain)
        publisher.close()
        receiver.close()

    def test_a_message_that_no_queue_takes_ends_its_chain_and_no_other(
        self, broker: Broker, exchange: str, service: str
    ) -> None:
        publisher, receiver = broker.publisher(), broker.receiver(f"{service}.events", prefetch=100)
        nowhere = a_message(1, exchange=replay_exchange(exchange), routing_key="nobody.listens")
        publisher.send_chains(
            [
                [a_message(0, exchange=exchange), nowhere, a_message(2, exchange=exchange)],
                [a_message(tag, exchange=exchange) for tag in (10, 11, 12)],
            ]
        )
        outcomes = outcomes_of(publisher, 5)
        assert [(o.tag, o.confirmed) for o in outcomes if o.tag < 10] == [(0, True), (1, False)]
        assert [(o.tag, o.confirmed) for o in outcomes if o.tag >= 10] == [(10, True), (11, True), (12, True)]
        publisher.send([a_message(20, exchange=exchange)])
        assert outcomes_of(publisher, 1) == [Outcome(20, confirmed=True)]
        assert {d.message_id for d in receive(receiver, 5)} == {"m-0", "m-10", "m-11", "m-12", "m-20"}
        assert receiver.receive(1, 0.2) == []
        publisher.close()
        receiver.close()

    def test_what_is_not_settled_comes_again_marked_as_redelivered(
        self, broker: Broker, exchange: str, service: str
    ) -> None:
        publisher, receiver = broker.publisher(), broker.receiver(f"{service}.events", prefetch=10)
        publisher.send([a_message(tag, exchange=exchange) for tag in range(4)])
        first = receive(receiver, 4)
        receiver.ack([first[0], first[2]])
        # What was acked and what was not is certain only once the broker has seen both.
        publisher.send([a_message(4, exchange=exchange)])
        assert len(receive(receiver, 1)) == 1
        receiver.close()
        again = broker.receiver(f"{service}.events", prefetch=10)
        assert [(d.message_id, d.redelivered) for d in receive(again, 3)] == [
            ("m-1", True),
            ("m-3", True),
            ("m-4", True),
        ]
        again.close()
        publisher.close()

    def test_no_more_than_the_prefetch_is_handed_out_before_it_is_settled(
        self, broker: Broker, exchange: str, service: str
    ) -> None:
        publisher, receiver = broker.publisher(), broker.receiver(f"{service}.events", prefetch=3)
        publisher.send([a_message(tag, exchange=exchange) for tag in range(5)])
        first = receive(receiver, 3)
        assert receiver.receive(5, 0.3) == []
        receiver.ack(first)
        assert [d.message_id for d in receive(receiver, 2)] == ["m-3", "m-4"]
        publisher.close()
        receiver.close()

    def test_a_message_names_the_user_who_sent_it_wherever_it_goes(
        self, broker: Broker, user: str, exchange: str, service: str
    ) -> None:
        publisher, receiver = broker.publisher(), broker.receiver(f"{service}.events", prefetch=10)
        publisher.send([a_message(1, exchange=exchange)])
        assert {d.user_id for d in receive(receiver, 1)} == {user}
        publisher.close()
        receiver.close()

    def test_of_first_sender_and_attempts_only_oneself_is_believed(
        self, broker: Broker, another: Broker, exchange: str, service: str
    ) -> None:
        receiver = broker.receiver(f"{service}.events", prefetch=10)
        for sender in (broker, another):
            publisher = sender.publisher()
            publisher.send([a_message(1, exchange=exchange)._replace(headers={SENT_BY: "mill", "attempts": 3})])
            assert outcomes_of(publisher, 1) == [Outcome(1, confirmed=True)]
            publisher.close()
        own, foreign = receive(receiver, 2)
        assert (own.headers, foreign.headers) == ({SENT_BY: "mill", "attempts": 3}, {})
        receiver.close()

    def test_what_was_sent_to_the_dead_letters_stays_there(self, broker: Broker, service: str) -> None:
        publisher, receiver = broker.publisher(), broker.receiver(f"{service}.dead", prefetch=10)
        publisher.send([a_message(1, exchange=f"{service}.dead", routing_key="")])
        assert [d.message_id for d in receive(receiver, 1)] == ["m-1"]
        publisher.close()
        receiver.close()

    def test_a_queue_tells_how_many_messages_wait_in_it_and_who_receives_from_it(
        self, broker: Broker, exchange: str, service: str
    ) -> None:
        publisher = broker.publisher()
        publisher.send([a_message(tag, exchange=exchange) for tag in range(3)])
        assert len(outcomes_of(publisher, 3)) == 3
        _eventually(lambda: broker.queue_state(f"{service}.events") == QueueState(ready=3, consumers=0))
        receiver = broker.receiver(f"{service}.events", prefetch=10)
        assert len(receive(receiver, 3)) == 3
        _eventually(lambda: broker.queue_state(f"{service}.events") == QueueState(ready=0, consumers=1))
        receiver.close()
        publisher.close()

    def test_declaring_again_changes_nothing_and_declaring_otherwise_is_refused(
        self, broker: Broker, exchange: str, service: str
    ) -> None:
        broker.declare(consumer_topology(service, ["shop.item_sold"], exchange=exchange))
        other = Topology(
            exchanges=(Exchange(f"{service}.dead", "direct"),),
            queues=(Queue(f"{service}.dead", {"x-queue-type": "classic"}),),
            bindings=(Binding(f"{service}.dead", f"{service}.dead", ""),),
        )
        with pytest.raises(TopologyConflict, match="dead"):
            broker.declare(other)
