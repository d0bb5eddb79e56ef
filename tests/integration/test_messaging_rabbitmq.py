"""RabbitMQ does what relay and consumer ask of a broker, and a service's user may do only what it needs."""

import pytest

from chassis.settings import EXCHANGE
from deploy.definitions import ADMINISTRATOR
from messaging import RabbitBroker
from messaging.errors import BrokerUnavailable
from messaging.testing.broker_suite import BrokerSuite, a_message, outcomes_of
from messaging.topology import Binding, Exchange, Queue, Topology, consumer_topology
from messaging.transport import Broker, Message
from tests.conftest import SHOP, Vhost
from tests.waiting import eventually


class TestRabbitMQ(BrokerSuite):
    @pytest.fixture
    def user(self) -> str:
        return ADMINISTRATOR

    @pytest.fixture
    def broker(self, vhost: Vhost) -> Broker:
        return RabbitBroker(vhost.administrator_url, name="suite")

    @pytest.fixture
    def another(self, vhost: Vhost) -> Broker:
        return RabbitBroker(vhost.url(SHOP), name="suite")


@pytest.fixture
def billing(vhost: Vhost) -> RabbitBroker:
    return RabbitBroker(vhost.url("billing"), name="billing")


def test_a_service_can_declare_what_it_needs(billing: RabbitBroker) -> None:
    billing.declare(consumer_topology("billing", ["tracker.task_created"], exchange=EXCHANGE))


@pytest.mark.parametrize(
    "forbidden",
    [
        Topology((Exchange("tracker.extra", "topic"),), (), ()),
        Topology((), (Queue("tracker.extra", {"x-queue-type": "quorum"}),), ()),
        Topology((Exchange("mine", "topic"),), (), ()),
        Topology((Exchange("ates.more", "topic"),), (), ()),
        Topology((), (), (Binding("ates.events", "ates.unrouted", "#"),)),
        Topology((), (), (Binding("ates.replay", "billing.events", "tracker.#"),)),
        Topology((), (), (Binding("ates.replay", "billing.events", "#"),)),
    ],
)
def test_a_service_can_declare_nothing_that_does_not_bear_its_name(billing: RabbitBroker, forbidden: Topology) -> None:
    with pytest.raises(BrokerUnavailable, match="ACCESS_REFUSED"):
        billing.declare(forbidden)


@pytest.mark.parametrize(
    ("exchange", "routing_key"),
    [
        ("ates.events", "tracker.task_created.v1"),
        ("ates.replay", "analytics.tracker.task_created.v1"),
        ("ates.replay", "tracker.tracker.task_created.v1"),
        ("ates.unrouted", ""),
        ("tracker.dead", ""),
        ("", "tracker.events"),
    ],
)
def test_a_service_can_publish_nothing_in_the_name_of_another(
    vhost: Vhost, billing: RabbitBroker, exchange: str, routing_key: str
) -> None:
    RabbitBroker(vhost.administrator_url, name="x").declare(
        consumer_topology("tracker", ["tracker.task_created"], exchange=EXCHANGE)
    )
    publisher = billing.publisher()
    publisher.send([a_message(1, exchange=exchange, routing_key=routing_key)])
    (outcome,) = outcomes_of(publisher, 1)
    assert not outcome.confirmed
    publisher.close()


def test_a_service_that_publishes_nothing_cannot_write_to_the_events_even_under_its_own_name(vhost: Vhost) -> None:
    publisher = RabbitBroker(vhost.url("analytics"), name="analytics").publisher()
    publisher.send([a_message(1, exchange="ates.events", routing_key="analytics.figures_made.v1")])
    (outcome,) = outcomes_of(publisher, 1)
    assert not outcome.confirmed
    publisher.close()


def test_a_service_can_publish_its_own_events(billing: RabbitBroker) -> None:
    publisher = billing.publisher()
    publisher.send([Message(1, "ates.events", "billing.task_priced.v1", b"{}", "application/json")])
    (outcome,) = outcomes_of(publisher, 1)
    assert outcome.confirmed
    publisher.close()


def test_a_service_can_replay_its_own_events_to_the_one_that_is_named(vhost: Vhost, billing: RabbitBroker) -> None:
    publisher, administrator = billing.publisher(), RabbitBroker(vhost.administrator_url, name="x")
    publisher.send([Message(1, "ates.replay", "analytics.billing.task_priced.v1", b"{}", "application/json")])
    (outcome,) = outcomes_of(publisher, 1)
    assert outcome.confirmed
    eventually(lambda: administrator.queue_state("analytics.replay").ready == 1)
    assert [administrator.queue_state(f"{name}.replay").ready for name in ("tracker", "billing")] == [0, 0]
    publisher.close()


def test_a_service_can_read_no_other_queue(vhost: Vhost, billing: RabbitBroker) -> None:
    RabbitBroker(vhost.administrator_url, name="x").declare(
        consumer_topology("tracker", ["tracker.task_created"], exchange=EXCHANGE)
    )
    for queue in ("tracker.events", "tracker.replay", "tracker.dead", "ates.unrouted"):
        receiver = billing.receiver(queue, prefetch=1)
        assert receiver.receive(1, 0.5) == []
        assert receiver.obstacle()
        receiver.close()


def test_a_connection_notices_a_broker_that_is_gone_or_takes_nothing_for_minutes(billing: RabbitBroker) -> None:
    publisher = billing.publisher()
    assert publisher.wait_until_connected(20)
    agreed = publisher._link._connection.params  # type: ignore[attr-defined]
    assert (agreed.heartbeat, agreed.blocked_connection_timeout) == (30, 300)
    publisher.close()


def test_what_cannot_be_encoded_is_refused_at_once_and_costs_nobody_the_connection(billing: RabbitBroker) -> None:
    publisher = billing.publisher()
    fine = Message(1, "ates.events", "billing.task_priced.v1", b"{}", "application/json")
    publisher.send([fine, fine._replace(tag=2, timestamp=-1), fine._replace(tag=3)])
    outcomes = sorted(outcomes_of(publisher, 3))
    publisher.close()
    assert [(outcome.tag, outcome.confirmed, outcome.hopeless) for outcome in outcomes] == [
        (1, True, False),
        (2, False, True),
        (3, True, False),
    ]
    assert "cannot be encoded" in outcomes[1].reason


def test_what_cannot_be_encoded_is_refused_in_its_turn_and_ends_its_chain(billing: RabbitBroker) -> None:
    publisher = billing.publisher()
    fine = Message(1, "ates.events", "billing.task_priced.v1", b"{}", "application/json")
    publisher.send_chains([[fine, fine._replace(tag=2), fine._replace(tag=3, timestamp=-1), fine._replace(tag=4)]])
    outcomes = outcomes_of(publisher, 3)
    publisher.send([fine._replace(tag=5)])
    outcomes += outcomes_of(publisher, 1)
    publisher.close()
    assert [(outcome.tag, outcome.confirmed, outcome.hopeless) for outcome in outcomes] == [
        (1, True, False),
        (2, True, False),
        (3, False, True),
        (5, True, False),
    ]


def test_guest_is_gone(vhost: Vhost) -> None:
    url = vhost.administrator_url.replace("ates:", "guest:", 1).replace(":tests-only@", ":guest@", 1)
    with pytest.raises(BrokerUnavailable):
        RabbitBroker(url, name="guest").declare(Topology((), (), ()))
