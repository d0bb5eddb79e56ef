"""What a process is told by its environment, read once at its start. `.env.example` lists the variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from environs import Env, EnvError, ValidationError, validate

from messaging.retry import RetryPolicy

#: The list of all services, with the ports that they have unless `ATES_PORT_<SERVICE>` says otherwise.
DEFAULT_PORTS: Mapping[str, int] = MappingProxyType(
    {
        "auth": 8001,
        "tracker": 8002,
        "billing": 8003,
        "analytics": 8004,
    }
)

#: Where all services publish their events.
EXCHANGE = "ates.events"

REPOSITORY = Path(__file__).resolve().parent.parent


class SettingsError(Exception):
    """A variable is missing or unusable. The message names each such variable and says what is wrong."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings that every service has. A service with more of its own makes a subclass."""

    #: The short name, as in `tracker`; the package is `tracker_service`.
    service: str
    #: The role that serves requests: no DDL. Migrations use `<SERVICE>_OWNER_DATABASE_URL`.
    database_url: str
    amqp_url: str
    #: Where its web server listens.
    host: str
    port: int
    #: The address of the proxy in front that is believed from where a request comes; empty: nobody is.
    trusted_proxy: str
    #: Where a process without a web server answers probes and Prometheus; nowhere if it is None.
    health_port: int | None
    #: Where people reach each service, without a slash at the end.
    public_urls: Mapping[str, str]
    #: Where the other services reach each service: the same, unless a proxy or a network of containers is between.
    internal_urls: Mapping[str, str]
    #: Where people reach RabbitMQ's management console, without a slash at the end.
    rabbitmq_console_url: str
    #: Holds what may be lost and made again, such as the copy of auth's public keys.
    state_dir: Path
    #: The zone in which a business day starts and ends.
    business_timezone: ZoneInfo
    #: Signs the session cookies of this service.
    secret_key: str
    schemas_dir: Path
    #: How long published events are kept, for replay and audit.
    retention: timedelta
    #: Tries of an event in all before it is dead.
    retry_attempts: int
    #: Whether this is the demo company: its parrots sign in with a click, and its business clock can be put forward.
    demo: bool

    @property
    def public_url(self) -> str:
        """Return the address of this service."""
        return self.public_urls[self.service]


class _MappingEnv(Env):
    """Environs that reads the mapping it is given instead of the environment of the process.

    A variable that is empty counts as not set: docker-compose.yml cannot leave one out.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(eager=False)
        self._variables = variables

    def _get_value(self, env_key: str, default: Any) -> Any:
        return self._variables.get(env_key) or default


def load_settings(service: str, env: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings of a service. Raises SettingsError naming every variable at fault."""
    if service not in DEFAULT_PORTS:
        raise SettingsError(f"there is no service {service!r}, only {', '.join(DEFAULT_PORTS)}")
    read = _MappingEnv(env)
    prefix = service.upper()
    ports = {
        name: read.int(f"ATES_PORT_{name.upper()}", default, validate=validate.Range(1, 65535))
        for name, default in DEFAULT_PORTS.items()
    }
    public_urls = {
        name: read.str(f"ATES_URL_{name.upper()}", f"http://127.0.0.1:{port}", validate=_web_address)
        for name, port in ports.items()
    }
    internal_urls = {
        name: read.str(f"ATES_INTERNAL_URL_{name.upper()}", url, validate=_web_address)
        for name, url in public_urls.items()
    }
    values: dict[str, Any] = {
        "database_url": read.str(f"{prefix}_DATABASE_URL", validate=_of_scheme("postgresql")),
        "amqp_url": read.str(f"{prefix}_AMQP_URL", validate=_of_scheme("amqp", "amqps")),
        "rabbitmq_console_url": read.str(
            "ATES_URL_RABBITMQ",
            f"http://127.0.0.1:{read.int('ATES_RABBITMQ_MANAGEMENT_PORT', 15672, validate=validate.Range(1, 65535))}",
            validate=_web_address,
        ).rstrip("/"),
        "host": read.str("ATES_HOST", "127.0.0.1"),
        "port": read.int("ATES_LISTEN_PORT", ports[service], validate=validate.Range(1, 65535)),
        "trusted_proxy": read.str("ATES_TRUSTED_PROXY", "", validate=_ip_address_or_nothing),
        "health_port": read.int("ATES_HEALTH_PORT", None, validate=validate.Range(1, 65535)),
        "state_dir": read.path("ATES_STATE_DIR", Path("var")),
        "secret_key": read.str(f"{prefix}_SECRET_KEY", validate=validate.Length(min=16)),
        "schemas_dir": read.path("ATES_SCHEMAS_DIR", REPOSITORY / "event_schemas"),
    }
    retention_days = read.int("ATES_RETENTION_DAYS", 366, validate=validate.Range(min=1))
    retry_attempts = read.int("ATES_RETRY_ATTEMPTS", RetryPolicy.attempts, validate=validate.Range(min=1))
    zone = read.str("BUSINESS_TIMEZONE", "Europe/Moscow", validate=_time_zone)
    try:
        read.seal()
    except EnvError as error:
        raise SettingsError(f"{service} cannot start: {error}") from error
    return Settings(
        service=service,
        public_urls=_without_slashes(public_urls),
        internal_urls=_without_slashes(internal_urls),
        business_timezone=ZoneInfo(zone),
        retention=timedelta(days=retention_days),
        retry_attempts=retry_attempts,
        demo=env.get("ATES_DEMO") == "1",
        **values,
    )


def _without_slashes(urls: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({name: url.rstrip("/") for name, url in urls.items()})


def _of_scheme(*schemes: str) -> Any:
    def check(url: str) -> None:
        # Drivers may be named, as in postgresql+psycopg2.
        if urlsplit(url).scheme.partition("+")[0] not in schemes:
            raise ValidationError(f"Not a URL that starts with {' or '.join(schemes)}://.")

    return check


def _web_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValidationError("Not a URL that starts with http:// or https://.")


def _ip_address_or_nothing(text: str) -> None:
    try:
        ip_address(text or "127.0.0.1")
    except ValueError as error:
        raise ValidationError(f"Not an IP address: {text!r}.") from error


def _time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValidationError(f"Not a time zone: {name!r}.") from error
