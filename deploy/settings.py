"""Ports, folders and names of one running copy of the system, as the environment says. `.env.example` lists them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from environs import Env

from chassis.settings import DEFAULT_PORTS
from deploy.errors import DeployError
from deploy.ports import LOOPBACK

REPOSITORY = Path(__file__).resolve().parent.parent

#: The services, in the order in which they are shown, with their default ports.
SERVICES = DEFAULT_PORTS

#: Those that hear of something, and so have a consumer.
CONSUMING_SERVICES = tuple(name for name in SERVICES if find_spec(f"{name}_service.handlers"))

VHOST = "ates"

_POSTGRES = "ATES_PG_PORT"
_AMQP = "ATES_AMQP_PORT"
_MANAGEMENT = "ATES_RABBITMQ_MANAGEMENT_PORT"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Where one copy of the system lives: its state folder and its ports."""

    state_dir: Path
    service_ports: Mapping[str, int]
    postgres_port: int
    amqp_port: int
    management_port: int
    #: Whether a second relay of each service stands by for the first.
    relay_standbys: bool
    #: The environment it was read from, handed on to the processes.
    environment: Mapping[str, str]

    @property
    def ports(self) -> dict[str, int]:
        """Return every port under the name of the variable that sets it."""
        named = {f"ATES_PORT_{service.upper()}": port for service, port in self.service_ports.items()}
        return named | {_POSTGRES: self.postgres_port, _AMQP: self.amqp_port, _MANAGEMENT: self.management_port}

    @property
    def service_urls(self) -> dict[str, str]:
        """Return the address of each service."""
        return {service: f"http://{LOOPBACK}:{port}" for service, port in self.service_ports.items()}

    @property
    def logs_dir(self) -> Path:
        """Return the folder with one log for each process."""
        return self.state_dir / "logs"


def load_deployment(environment: Mapping[str, str] | None = None) -> Deployment:
    """Read the environment, and `.env` in the repository for what it does not say. Raises DeployError naming a
    variable that is unusable."""
    if environment is None:
        Env().read_env(str(REPOSITORY / ".env"), recurse=False)
        environment = os.environ
    return Deployment(
        state_dir=(REPOSITORY / environment.get("ATES_STATE_DIR", "var")).resolve(),
        service_ports=MappingProxyType(
            {name: _port(environment, f"ATES_PORT_{name.upper()}", default) for name, default in SERVICES.items()}
        ),
        postgres_port=_port(environment, _POSTGRES, 5433),
        amqp_port=_port(environment, _AMQP, 5672),
        management_port=_port(environment, _MANAGEMENT, 15672),
        relay_standbys=_flag(environment, "ATES_RELAY_STANDBYS"),
        environment=MappingProxyType(dict(environment)),
    )


def _port(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise DeployError(f"{variable} is {text!r}; it must be a port number from 1 to 65535.")
    return int(text)


def _flag(environment: Mapping[str, str], variable: str) -> bool:
    text = environment.get(variable) or "0"
    if text not in ("0", "1"):
        raise DeployError(f"{variable} is {text!r}; it must be 0 or 1.")
    return text == "1"
