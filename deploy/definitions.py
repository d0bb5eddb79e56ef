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

from messaging.topology import DEFAULT_EXCHANGE, shared_topology

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
    """Return the vhost with everything in it that no service declares for itself."""
    services = list(services)
    shared = shared_topology()
    return {
        "vhosts": [{"name": name}],
        "permissions": [
            {"user": ADMINISTRATOR, "vhost": name, "configure": ".*", "write": ".*", "read": ".*"},
            *(_permission(name, service) for service in services),
        ],
        "topic_permissions": [
            {"user": s, "vhost": name, "exchange": DEFAULT_EXCHANGE, "write": rf"^{s}\.", "read": ".*"}
            for s in services
        ],
        "exchanges": [
            {
                "name": exchange.name,
                "vhost": name,
                "type": exchange.kind,
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": dict(exchange.arguments),
            }
            for exchange in shared.exchanges
        ],
        "queues": [
            {
                "name": queue.name,
                "vhost": name,
                "durable": True,
                "auto_delete": False,
                "arguments": dict(queue.arguments),
            }
            for queue in shared.queues
        ],
        "bindings": [
            {
                "source": binding.exchange,
                "vhost": name,
                "destination": binding.queue,
                "destination_type": "queue",
                "routing_key": binding.routing_key,
                "arguments": {},
            }
            for binding in shared.bindings
        ],
    }


def as_json(*parts: Definitions) -> str:
    """Return the parts as one JSON object."""
    return json.dumps({key: value for part in parts for key, value in part.items()}, indent=1)


def _permission(vhost_name: str, service: str) -> dict[str, str]:
    """A service makes and deletes only what bears its name; of the others' things it uses the events exchange."""
    own = rf"^{service}\."
    used = rf"^({re.escape(DEFAULT_EXCHANGE)}|{service}\..*)$"
    return {"user": service, "vhost": vhost_name, "configure": own, "write": used, "read": used}
