"""Real servers for the tests: one Postgres and one RabbitMQ for each worker, started when its first test asks.

postgres        the server
database        database("tracker") -> an empty database of this test module, with its owner and app role
rabbitmq        the node
vhost           the vhost of this test module, with users, permissions and shared exchanges as in real life
migrated        migrated("tracker") -> Settings of the service with a migrated database of this test module;
                migrated("tracker", broker=True) -> with the vhost of this test module too
"""

import importlib
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from environs import Env
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from chassis import neighbours
from deploy import definitions
from deploy.accounts import server_home
from deploy.databases import ServiceDatabase, create_service_database, drop_database
from deploy.errors import MissingServerError
from deploy.ports import LOOPBACK, pick_free
from deploy.servers import PostgresServer, RabbitServer
from deploy.servers.base import Server
from deploy.settings import REPOSITORY, SERVICES

#: Of everybody, in servers that live as long as the tests.
PASSWORD = "tests-only"
#: A producer and consumer of tests that know nothing of our services: it may do everything.
SHOP = "shop"
#: What `migrated` gives for the broker to those who need none: nobody listens on the port "discard".
NO_BROKER = f"amqp://nobody:nothing@{LOOPBACK}:9/none"
#: Of auth, to the others: at its usual address may be that of a copy that runs beside the tests.
NO_AUTH = f"http://{LOOPBACK}:9"

_numbers = itertools.count(1)


def pytest_configure() -> None:
    """Give the tests the defaults, whatever the shell says to another copy of the system, and the time they need."""
    settings.register_profile("on a busy machine", parent=settings(), deadline=None)
    settings.load_profile("on a busy machine")
    example = REPOSITORY / ".env.example"
    for name in set(re.findall(r"^#?(\w+)=", example.read_text(), re.MULTILINE)) - {"ATES_RABBITMQ_SERVER"}:
        os.environ.pop(name, None)
    Env().read_env(str(example), recurse=False)


class ModuleAfterModule(LoadScopeScheduling):
    """Gives whole modules to a worker, for their fixtures are dear, and all that start the whole system to the same."""

    def _split_scope(self, nodeid: str) -> str:
        return "e2e" if nodeid.startswith("tests/e2e/") else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist there is none
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ModuleAfterModule:
    return ModuleAfterModule(config, log)


@dataclass(frozen=True)
class Vhost:
    """A vhost of the tests' RabbitMQ."""

    name: str
    server: RabbitServer

    @property
    def administrator_url(self) -> str:
        """Return the AMQP URL of the administrator, who may do everything."""
        return self.server.amqp_url(self.name)

    def url(self, service: str) -> str:
        """Return the AMQP URL of a service, which may do only what it needs."""
        return f"amqp://{service}:{PASSWORD}@{LOOPBACK}:{self.server.port}/{quote(self.name, safe='')}"

    def manage(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Ask the management plugin: `vhost.manage("GET", "queues/{vhost}/billing.events")`."""
        url = f"{self.server.management_url}/api/{path.format(vhost=quote(self.name, safe=''))}"
        answer = requests.request(method, url, auth=self.server.credentials, timeout=60, **arguments)
        answer.raise_for_status()
        return answer


@pytest.fixture(autouse=True, scope="session")
def _nobody_asks_the_neighbours() -> Iterator[None]:
    """At the usual addresses may be those of a copy that runs beside the tests."""

    def ask_service(url: str, token: str | None = None) -> Any:
        raise ConnectionError(f"tests do not ask {url}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "ask_service", ask_service)
        patch.setattr(neighbours, "_PATIENCE", 30.0)  # the machine may be busy
        yield


@pytest.fixture(scope="session")
def servers_dir() -> Iterator[Path]:
    # Not pytest's own temporary folder: the users that the servers run as cannot reach that one.
    folder = Path(tempfile.mkdtemp(prefix="ates-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def _started(server: Server) -> Server:
    try:
        server.start()
    except MissingServerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    return server


@pytest.fixture(scope="session")
def postgres(servers_dir: Path) -> Iterator[PostgresServer]:
    home, account = server_home(servers_dir, "postgres", "postgres")
    (port,) = pick_free(1)
    log = servers_dir / "logs" / "postgres.log"
    server = PostgresServer(home, port=port, password=PASSWORD, log=log, account=account, throw_away=True)
    _started(server)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def rabbitmq(servers_dir: Path) -> Iterator[RabbitServer]:
    home, account = server_home(servers_dir, "rabbitmq", "rabbitmq")
    port, management_port, *private_ports = pick_free(4)
    names = (definitions.ADMINISTRATOR, SHOP, *SERVICES)
    server = RabbitServer(
        home,
        port=port,
        management_port=management_port,
        private_ports=(private_ports[0], private_ports[1]),
        password=PASSWORD,
        definitions=definitions.as_json(definitions.users(dict.fromkeys(names, PASSWORD))),
        log=servers_dir / "logs" / "rabbitmq.log",
        account=account,
    )
    _started(server)
    yield server
    server.stop(grace=0)


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[Callable[..., ServiceDatabase]]:
    """Make a database for a service. Two calls make two databases; all go with the test module."""
    made: list[str] = []

    def make(service: str, *, template: str | None = None) -> ServiceDatabase:
        made.append(f"test_{next(_numbers)}_{service}")
        return _create(postgres, service, made[-1], template)

    yield make
    for name in made:
        drop_database(postgres.url, name)


@pytest.fixture(scope="module")
def vhost(rabbitmq: RabbitServer) -> Iterator[Vhost]:
    made = Vhost(f"test_{next(_numbers)}", rabbitmq)
    made.manage("PUT", "vhosts/{vhost}")
    made.manage("POST", "definitions", json=definitions.vhost(made.name, SERVICES))
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    made.manage("PUT", f"permissions/{{vhost}}/{SHOP}", json=everything)
    yield made
    made.manage("DELETE", "vhosts/{vhost}")


@pytest.fixture(scope="session")
def migrated_template(postgres: PostgresServer) -> Callable[[str], str]:
    """Return the name of a database of this service on which the real migrations have run, once in all."""
    made: dict[str, str] = {}

    def template(service: str) -> str:
        if service not in made:
            name = f"template_{service}"
            _migrate(service, _create(postgres, service, name))
            made[service] = name
        return made[service]

    return template


@pytest.fixture(scope="module")
def migrated(
    database: Callable[..., ServiceDatabase],
    migrated_template: Callable[[str], str],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Any]:
    """Return the service's own Settings, as its config.py reads them, for a migrated database of its own."""

    def settings(service: str, *, broker: bool = False, **environment: str) -> Any:
        urls = database(service, template=migrated_template(service))
        prefix = service.upper()
        variables = {
            f"{prefix}_DATABASE_URL": urls.app_url,
            f"{prefix}_OWNER_DATABASE_URL": urls.owner_url,
            f"{prefix}_AMQP_URL": request.getfixturevalue("vhost").url(service) if broker else NO_BROKER,
            f"{prefix}_SECRET_KEY": "a key for the tests alone",
            "ATES_STATE_DIR": str(tmp_path_factory.mktemp(service)),
        }
        if service != "auth":
            variables["ATES_URL_AUTH"] = NO_AUTH
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (variables | environment).items():
                patch.setenv(name, value)
            return importlib.import_module(f"{service}_service.config").load()

    return settings


def _create(postgres: PostgresServer, service: str, name: str, template: str | None = None) -> ServiceDatabase:
    return create_service_database(
        postgres.url, service, database=name, owner_password=PASSWORD, app_password=PASSWORD, template=template
    )


def _migrate(service: str, urls: ServiceDatabase) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"{service}_service", "migrate"],
        cwd=REPOSITORY,
        env=os.environ | {f"{service.upper()}_OWNER_DATABASE_URL": urls.owner_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"the migrations of {service} failed:\n{done.stdout}\n{done.stderr}"
