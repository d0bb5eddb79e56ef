"""What docker compose runs, by the commands and with the environment that it gives, against real servers."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import requests

from deploy.databases import drop_database
from deploy.ports import LOOPBACK, pick_free
from deploy.servers import PostgresServer, RabbitServer
from deploy.settings import REPOSITORY, SERVICES
from tests.compose_file import composed, is_ours, make_secrets, of_the_image, told
from tests.conftest import PASSWORD
from tests.waiting import eventually

pytestmark = pytest.mark.slow

CONTAINERS = composed(ATES_DEMO="1")
PROCESSES = [name for name, each in CONTAINERS.items() if is_ours(each) and each["command"][2].endswith("_service")]

#: Starts the command of a container.
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def secrets(
    postgres: PostgresServer, rabbitmq: RabbitServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The secrets, with the addresses and passwords of the tests' servers."""

    def here(secret: str) -> str:
        if secret.startswith("postgresql://postgres:"):
            return postgres.url
        secret = re.sub(r"//(\w+):\w+@", rf"//\1:{PASSWORD}@", secret)
        secret = secret.replace("@postgres:5432/ates_", f"@{LOOPBACK}:{postgres.port}/compose_")
        return re.sub(r"@\w+:5672/", f"@{LOOPBACK}:{rabbitmq.port}/", secret)

    return {name: here(secret) for name, secret in make_secrets(tmp_path_factory.mktemp("made")).items()}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def start(secrets: dict[str, str], state: Path, tmp_path_factory: pytest.TempPathFactory) -> Start:
    def run(name: str, **other: str) -> "subprocess.Popen[bytes]":
        """Run what the container does; it finds its own secrets and nobody else's, and the rest as its image has it."""
        container = CONTAINERS[name]
        mounted = tmp_path_factory.mktemp(name)
        for secret in container["secrets"]:
            (mounted / secret).write_text(secrets[secret])
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # `python` is the one of the tests
        environment = of_the_image() | told(container) | {"PATH": path}
        environment |= {"ATES_SECRETS_DIR": str(mounted), "ATES_STATE_DIR": str(state)} | other
        command = [word.replace("/definitions/", f"{state}/") for word in container["command"]]
        with (mounted / "output").open("wb") as output:
            return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=output, stderr=output)

    return run


@pytest.fixture(scope="module")
def databases(start: Start, postgres: PostgresServer) -> Iterator[None]:
    for _ in range(2):  # as often as somebody says `up`
        assert start("databases").wait() == 0
    yield
    for service in SERVICES:
        drop_database(postgres.url, f"compose_{service}")


@pytest.fixture(scope="module")
def definitions(start: Start, state: Path, rabbitmq: RabbitServer) -> Iterator[set[str]]:
    """The node with the definitions that the container writes; the names of its queues."""
    assert start("definitions").wait() == 0
    url = f"{rabbitmq.management_url}/api"
    loaded = requests.post(
        f"{url}/definitions",
        json=json.loads((state / "definitions.json").read_text()),
        auth=rabbitmq.credentials,
        timeout=60,
    )
    assert loaded.ok, loaded.text
    queues = requests.get(f"{url}/queues/ates", auth=rabbitmq.credentials, timeout=60).json()
    yield {queue["name"] for queue in queues}
    requests.delete(f"{url}/vhosts/ates", auth=rabbitmq.credentials, timeout=60)


@pytest.fixture(scope="module")
def running(start: Start, databases: None, definitions: set[str]) -> Iterator[dict[str, tuple[Any, str]]]:
    """Every process that goes on, with its address."""
    found: dict[str, tuple[Any, str]] = {}
    with ExitStack() as stack:
        for name, port in zip(PROCESSES, pick_free(len(PROCESSES)), strict=True):
            where = {"ATES_HOST": LOOPBACK, "ATES_LISTEN_PORT": str(port), "ATES_HEALTH_PORT": str(port)}
            process = start(name, **where)
            stack.callback(process.wait)
            stack.callback(process.kill)
            found[name] = process, f"http://{LOOPBACK}:{port}"
        yield found


def test_every_database_is_migrated_and_the_company_is_there_however_often_it_runs(
    databases: None, postgres: PostgresServer, state: Path
) -> None:
    beaks = len(list((state / "beaks").glob("*.png")))
    assert beaks >= 8
    for service in SERVICES:
        url = f"postgresql://{service}_app:{PASSWORD}@{LOOPBACK}:{postgres.port}/compose_{service}"
        connection = psycopg2.connect(url)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM outbox")
            assert cursor.fetchone() == (beaks if service == "auth" else 0,)
        connection.close()


def test_a_node_takes_the_definitions_as_they_are(definitions: set[str]) -> None:
    assert {"ates.unrouted", "ates.unread", "billing.events", "analytics.dead"} <= definitions


@pytest.mark.parametrize("name", PROCESSES)
def test_every_process_does_its_work_and_ends_when_it_is_told_to(
    running: dict[str, tuple[Any, str]], name: str
) -> None:
    process, url = running[name]

    def ready() -> bool:
        assert process.poll() is None, f"{name} ended with {process.returncode}"
        try:
            return requests.get(f"{url}/readyz", timeout=10).status_code == 200
        except requests.ConnectionError:
            return False

    assert eventually(ready, timeout=120, every=0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0
