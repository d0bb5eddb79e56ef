"""What RabbitMQ is to know before anybody connects: vhost, users with their permissions, shared exchanges.

The form is that of `rabbitmqctl import_definitions` and of the management plugin's /api/definitions.
"""

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from chassis.settings import EXCHANGE, REPOSITORY
from messaging.topology import (
    Binding,
    Topology,
    consumer_topology,
    dead_queue,
    replay_exchange,
    shared_topology,
    unrouted_name,
)
from messaging.topology import definitions as topology_definitions

ADMINISTRATOR = "ates"

#: Whose dead letters the events of unknown types are: docs/decisions/0018-trouble-is-shown-where-people-are.md.
LOST_PROPERTY = "analytics"

Definitions = dict[str, Any]


def password_hash(password: str, salt: bytes | None = None) -> str:
    """Return the salted hash that RabbitMQ keeps (https://www.rabbitmq.com/docs/passwords#computing-password-hash)."""
    salt = secrets.token_bytes(4) if salt is None else salt
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def users(passwords: Mapping[str, str]) -> Definitions:
    """Return the users with these passwords; the one called as the administrator is one, `guest` is not there."""
    return {
        "users": [
            {
                "name": name,
                "password_hash": password_hash(password),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": ["administrator"] if name == ADMINISTRATOR else [],
            }
            for name, password in passwords.items()
        ]
    }


def vhost(name: str, services: Iterable[str]) -> Definitions:
    """Return the vhost with everything in it: what is published before a queue is there would never reach it."""
    services = list(services)
    consumers = _consumers(services)
    return {
        "vhosts": [{"name": name}],
        "permissions": [
            {"user": ADMINISTRATOR, "vhost": name, "configure": ".*", "write": ".*", "read": ".*"},
            *(_permission(name, service, consumers.get(service)) for service in services),
        ],
        "topic_permissions": [
            right for service in services for right in _topic_permissions(name, service, consumers.get(service))
        ],
        **topology_definitions(topologies(services), name),
    }


def as_json(*parts: Definitions) -> str:
    """Return the parts as one JSON object."""
    return json.dumps({key: value for part in parts for key, value in part.items()}, indent=1)


def topologies(services: Iterable[str]) -> list[Topology]:
    """Return what is shared, and what the consumers of the services will declare again themselves."""
    from deploy.subscriptions import unread_types  # loads all of the services' code

    shared = shared_topology(EXCHANGE, unread=unread_types())
    return [shared, _unknown_are_dead_letters(), *_consumers(services).values()]


def _consumers(services: Iterable[str]) -> dict[str, Topology]:
    """What the consumers of the services will declare again themselves."""
    from deploy.subscriptions import subscriptions  # loads all of the services' code

    heard = subscriptions()
    return {name: consumer_topology(name, heard[name], exchange=EXCHANGE) for name in services if name in heard}


def _unknown_are_dead_letters() -> Topology:
    """A copy of what is unrouted is a dead letter, so that people see it where they look and can decide about it."""
    return Topology((), (), (Binding(unrouted_name(EXCHANGE), dead_queue(LOST_PROPERTY), ""),))


def _permission(vhost_name: str, service: str, consumer: Topology | None) -> dict[str, str]:
    """A service makes and deletes its consumer's queues and exchanges alone; only producers write to the shared ones.

    To write to an exchange is also to bind other exchanges to it, or to have queues dead-letter to it.
    """
    exchanges, queues = (consumer.exchanges, consumer.queues) if consumer else ((), ())
    own = [exchange.name for exchange in exchanges] + [queue.name for queue in queues]
    shared = [EXCHANGE, replay_exchange(EXCHANGE)]
    return {
        "user": service,
        "vhost": vhost_name,
        "configure": _one_of(own),
        "write": _one_of([*own, *shared] if _publishes(service) else own),
        "read": _one_of([*own, *shared] if consumer else own),
    }


def _topic_permissions(vhost_name: str, service: str, consumer: Topology | None) -> list[dict[str, str]]:
    """A service publishes only its own events, and replays them to whom it likes; it binds only what it listens to."""
    written = {EXCHANGE: rf"^{service}\.", replay_exchange(EXCHANGE): rf"^[a-z0-9]+\.{service}\."}
    bindings = consumer.bindings if consumer else ()
    return [
        {
            "user": service,
            "vhost": vhost_name,
            "exchange": exchange,
            "write": key if _publishes(service) else _one_of([]),
            "read": _one_of(binding.routing_key for binding in bindings if binding.exchange == exchange),
        }
        for exchange, key in written.items()
    ]


def _publishes(service: str) -> bool:
    return (REPOSITORY / "event_schemas" / service).is_dir()


def _one_of(names: Iterable[str]) -> str:
    """Return the pattern that fits these names and nothing else."""
    return "^({})$".format("|".join(re.escape(name) for name in sorted(set(names))))
