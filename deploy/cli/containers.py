"""The system in containers, as a command sees it that runs beside them: everything is in its environment.

docker compose run --rm databases python -m deploy.cli status
"""

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from deploy.ports import LOOPBACK
from deploy.run_file import Run
from deploy.settings import SERVICES

#: Of RabbitMQ's console, inside the network of the containers.
_MANAGEMENT_PORT = 15672


def run_in_containers(environment: Mapping[str, str]) -> Run | None:
    """Return what runs there, of whose processes nothing is known; None without the URLs of all databases' owners."""
    databases = {service: environment.get(f"{service.upper()}_OWNER_DATABASE_URL", "") for service in SERVICES}
    if not all(databases.values()):
        return None
    return Run(
        services={service: _address(environment, service) for service in SERVICES},
        rabbitmq=_rabbitmq(environment.get("ATES_RABBITMQ_URL", "")),
        databases=databases,
        processes=[],
        people=[],
    )


def _address(environment: Mapping[str, str], service: str) -> str:
    name = service.upper()
    port = environment.get(f"ATES_PORT_{name}") or SERVICES[service]
    named = environment.get(f"ATES_INTERNAL_URL_{name}") or environment.get(f"ATES_URL_{name}")
    return (named or f"http://{LOOPBACK}:{port}").rstrip("/")


def _rabbitmq(url: str) -> dict[str, str]:
    if not url:
        return {}
    parts = urlsplit(url)
    return {
        "amqp": url,
        "management": f"http://{parts.hostname}:{_MANAGEMENT_PORT}",
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }
