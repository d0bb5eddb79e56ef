"""What RabbitMQ is to know before anybody connects: vhost, users with their permissions, shared exchanges.

The form is that of `rabbitmqctl import_definitions` and of the management plugin's /api/definitions.
"""

import base64
import hashlib
import importlib
import importlib.util
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from chassis.settings import EXCHANGE
from messaging import HandlerTable
from messaging.topology import Topology, consumer_topology, shared_topology
from messaging.topology import definitions as topology_definitions

ADMINISTRATOR = "ates"

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
    return {
        "vhosts": [{"name": name}],
        "permissions": [
            {"user": ADMINISTRATOR, "vhost": name, "configure": ".*", "write": ".*", "read": ".*"},
            *(_permission(name, service) for service in services),
        ],
        "topic_permissions": [
            {"user": s, "vhost": name, "exchange": EXCHANGE, "write": rf"^{s}\.", "read": ".*"} for s in services
        ],
        **topology_definitions([shared_topology(EXCHANGE), *map(_subscription, services)], name),
    }


def as_json(*parts: Definitions) -> str:
    """Return the parts as one JSON object."""
    return json.dumps({key: value for part in parts for key, value in part.items()}, indent=1)


def _subscription(service: str) -> Topology:
    """What the service's consumer will declare again itself; nothing for one that listens to nobody."""
    room = f"{service}_service.handlers"
    if importlib.util.find_spec(room) is None:
        return Topology((), (), ())
    handlers: HandlerTable = importlib.import_module(room).HANDLERS
    return consumer_topology(service, handlers, exchange=EXCHANGE)


def _permission(vhost_name: str, service: str) -> dict[str, str]:
    """A service makes and deletes only what bears its name; of the others' things it uses the events exchange."""
    own = rf"^{service}\."
    used = rf"^({re.escape(EXCHANGE)}|{service}\..*)$"
    return {"user": service, "vhost": vhost_name, "configure": own, "write": used, "read": used}
