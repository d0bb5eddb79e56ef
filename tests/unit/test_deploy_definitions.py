"""What RabbitMQ is told about users, permissions and shared exchanges."""

import base64
import hashlib
import json
import re

import pytest

from chassis.settings import EXCHANGE, REPOSITORY
from deploy import definitions
from deploy.settings import CONSUMING_SERVICES, SERVICES
from deploy.subscriptions import subscriptions
from messaging import SchemaRegistry
from messaging.topology import Exchange, Queue, consumer_topology, replay_exchange


def permission(service: str) -> dict[str, str]:
    found: list[dict[str, str]] = definitions.vhost("ates", SERVICES)["permissions"]
    (one,) = [row for row in found if row["user"] == service]
    return one


def topic_permission(service: str, exchange: str) -> dict[str, str]:
    found: list[dict[str, str]] = definitions.vhost("ates", SERVICES)["topic_permissions"]
    (one,) = [row for row in found if (row["user"], row["exchange"]) == (service, exchange)]
    return one


def test_a_password_is_kept_as_a_salted_hash() -> None:
    decoded = base64.b64decode(definitions.password_hash("beak"))
    salt, digest = decoded[:4], decoded[4:]
    assert digest == hashlib.sha256(salt + b"beak").digest()


def test_the_example_of_rabbitmqs_own_documentation_comes_out_the_same() -> None:
    assert (
        definitions.password_hash("test12", bytes.fromhex("908DC60A"))
        == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    )


def test_two_hashes_of_a_password_differ() -> None:
    assert definitions.password_hash("beak") != definitions.password_hash("beak")


def test_no_password_is_written_down_and_guest_is_nobody() -> None:
    text = definitions.as_json(definitions.users({"ates": "secret-1", "tracker": "secret-2"}))
    assert "secret" not in text
    assert [(user["name"], user["tags"]) for user in json.loads(text)["users"]] == [
        ("ates", ["administrator"]),
        ("tracker", []),
    ]


@pytest.mark.parametrize("service", CONSUMING_SERVICES)
def test_a_service_may_declare_everything_that_its_consumer_needs(service: str) -> None:
    topology = consumer_topology(service, subscriptions()[service], exchange=EXCHANGE)
    rights = permission(service)
    declared: list[Exchange | Queue] = [*topology.exchanges, *topology.queues]
    for made in declared:
        assert re.search(rights["configure"], made.name)
    for binding in topology.bindings:
        assert re.search(rights["write"], binding.queue)
        assert re.search(rights["read"], binding.exchange)
        if binding.exchange in (EXCHANGE, replay_exchange(EXCHANGE)):
            assert re.search(topic_permission(service, binding.exchange)["read"], binding.routing_key)
    for queue in topology.queues:
        assert re.search(rights["read"], queue.name)


@pytest.mark.parametrize("right", ["configure", "write", "read"])
@pytest.mark.parametrize(
    "name",
    [
        *["billing.events", "trackerx.events", "tracker.extra", "ates.unrouted", "ates.unread"],
        *["amq.default", "atesXevents"],
    ],
)
def test_a_service_has_no_right_on_what_is_not_its_own(right: str, name: str) -> None:
    assert not re.search(permission("tracker")[right], name)


def test_who_consumes_nothing_makes_and_reads_nothing_and_who_publishes_nothing_writes_to_its_own_queues_only() -> None:
    assert {permission("auth")[right] for right in ("configure", "read")} == {"^()$"}
    for exchange in ("ates.events", "ates.replay"):
        assert not re.search(permission("analytics")["write"], exchange)
        assert topic_permission("analytics", exchange)["write"] == topic_permission("auth", exchange)["read"] == "^()$"


def test_a_service_binds_only_what_it_listens_to() -> None:
    rights = topic_permission("billing", "ates.events")
    assert re.search(rights["read"], "tracker.task_created.*")
    assert not any(re.search(rights["read"], key) for key in ("#", "tracker.#", "tracker.reassignment_requested.*"))


def test_a_service_publishes_under_its_own_name_only() -> None:
    rights = topic_permission("tracker", "ates.events")
    assert re.search(rights["write"], "tracker.task_created.v1")
    assert not re.search(rights["write"], "billing.task_priced.v1")


def test_a_service_replays_its_own_events_to_anybody_and_hears_its_own_replays_only() -> None:
    rights = topic_permission("tracker", "ates.replay")
    assert re.search(rights["write"], "analytics.tracker.task_created.v1")
    assert not re.search(rights["write"], "analytics.billing.tracker.v1")
    assert not re.search(rights["write"], "tracker.billing.task_priced.v1")
    assert re.search(rights["read"], "tracker.#")
    assert not any(re.search(rights["read"], key) for key in ("#", "*.tracker.#", "analytics.#"))


def test_events_that_nobody_bound_are_kept_up_to_a_limit() -> None:
    vhost = definitions.vhost("ates", SERVICES)
    (events,) = [exchange for exchange in vhost["exchanges"] if exchange["name"] == "ates.events"]
    (unrouted,) = [queue for queue in vhost["queues"] if queue["name"] == "ates.unrouted"]
    assert (events["type"], events["durable"]) == ("topic", True)
    assert events["arguments"] == {"alternate-exchange": "ates.unrouted"}
    assert (unrouted["arguments"]["x-max-length"], unrouted["arguments"]["x-overflow"]) == (100_000, "drop-head")
    assert ("ates.unrouted", "ates.unrouted") in [(row["source"], row["destination"]) for row in vhost["bindings"]]


def test_events_that_are_known_and_read_by_nobody_do_not_count_as_lost() -> None:
    vhost = definitions.vhost("ates", SERVICES)
    bound: dict[str, set[str]] = {}
    for row in vhost["bindings"]:
        if row["source"] == "ates.events":
            bound.setdefault(row["destination"], set()).add(row["routing_key"])
    unread = bound.pop("ates.unread")
    heard = {key.removesuffix(".*") for keys in bound.values() for key in keys}
    registry = SchemaRegistry.load(REPOSITORY / "event_schemas")
    known = {f"{name}.v{version}" for name in registry.names() for version in registry.schemas[name]}
    assert unread == {type for type in known if type.rpartition(".v")[0] not in heard}
    assert "auth.user_signed_in.v1" in unread
    (queue,) = [queue for queue in vhost["queues"] if queue["name"] == "ates.unread"]
    assert (queue["arguments"]["x-max-length"], queue["arguments"]["x-overflow"]) == (1_000, "drop-head")


@pytest.mark.parametrize("service", CONSUMING_SERVICES)
def test_the_queue_of_a_consumer_is_there_before_the_consumer(service: str) -> None:
    vhost = definitions.vhost("ates", SERVICES)
    assert f"{service}.events" in [queue["name"] for queue in vhost["queues"]]
    assert ("ates.events", f"{service}.events") in [(row["source"], row["destination"]) for row in vhost["bindings"]]
