"""Servers for measuring: as safe as in real life, so with every commit on the disk."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg2
import requests

from deploy import definitions
from deploy.accounts import server_home
from deploy.databases import ServiceDatabase, create_service_database
from deploy.ports import LOOPBACK, pick_free
from deploy.servers import PostgresServer, RabbitServer
from deploy.settings import SERVICES

PASSWORD = "benchmarks-only"
#: A producer and consumer that is none of the services.
SHOP = "shop"


@dataclass(frozen=True)
class Servers:
    """A running Postgres and a running RabbitMQ."""

    postgres: PostgresServer
    rabbitmq: RabbitServer
    folder: Path

    @property
    def versions(self) -> str:
        """What was measured."""
        connection = psycopg2.connect(self.postgres.url)
        number = connection.server_version
        connection.close()
        overview = requests.get(
            f"{self.rabbitmq.management_url}/api/overview", auth=self.rabbitmq.credentials, timeout=10
        )
        return f"Postgres {number // 10000}.{number % 10000}, RabbitMQ {overview.json()['rabbitmq_version']}"

    def new_database(self, service: str) -> ServiceDatabase:
        """Make an empty database."""
        return create_service_database(
            self.postgres.url,
            service,
            database=f"bench_{uuid4().hex[:8]}",
            owner_password=PASSWORD,
            app_password=PASSWORD,
        )

    def new_vhost(self) -> str:
        """Make a vhost with users, permissions and shared exchanges as in real life; in it a shop may do everything."""
        name = f"bench-{uuid4().hex[:8]}"
        for method, path, body in (
            ("PUT", f"vhosts/{name}", None),
            ("POST", "definitions", definitions.vhost(name, SERVICES)),
            ("PUT", f"permissions/{name}/{SHOP}", {"configure": ".*", "write": ".*", "read": ".*"}),
        ):
            url = f"{self.rabbitmq.management_url}/api/{path}"
            requests.request(method, url, json=body, auth=self.rabbitmq.credentials, timeout=30).raise_for_status()
        return name

    def amqp_url(self, vhost: str, service: str) -> str:
        """Return the URL of the user: a service, or the shop."""
        return f"amqp://{service}:{PASSWORD}@{LOOPBACK}:{self.rabbitmq.port}/{vhost}"


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Start both servers on free ports in a temporary folder, and stop them at the end."""
    folder = Path(tempfile.mkdtemp(prefix="ates-bench-"))
    pg_port, port, management_port, *private = pick_free(5)
    pg_home, pg_account = server_home(folder, "postgres", "postgres")
    rabbit_home, rabbit_account = server_home(folder, "rabbitmq", "rabbitmq")
    logs = folder / "logs"
    postgres = PostgresServer(pg_home, port=pg_port, password=PASSWORD, log=logs / "postgres.log", account=pg_account)
    users = definitions.users(dict.fromkeys((definitions.ADMINISTRATOR, SHOP, *SERVICES), PASSWORD))
    rabbitmq = RabbitServer(
        rabbit_home,
        port=port,
        management_port=management_port,
        private_ports=(private[0], private[1]),
        password=PASSWORD,
        definitions=definitions.as_json(users),
        log=logs / "rabbitmq.log",
        account=rabbit_account,
    )
    try:
        postgres.start()
        rabbitmq.start()
        yield Servers(postgres, rabbitmq, folder)
    finally:
        postgres.stop()
        rabbitmq.stop(grace=0)
        shutil.rmtree(folder, ignore_errors=True)
