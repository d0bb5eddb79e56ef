"""Messaging's README keeps its word: the example is taken out of it and run, with nothing of ours but messaging."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from sqlalchemy import create_engine, text

import messaging
from deploy.databases import ServiceDatabase
from deploy.ports import LOOPBACK, is_answered, pick_free
from tests.code_blocks import code_blocks
from tests.conftest import NO_BROKER, PASSWORD, SHOP, Vhost
from tests.waiting import eventually

PACKAGE = Path(messaging.__file__).parent
README = (PACKAGE / "README.md").read_text(encoding="utf-8")


@dataclass
class Example:
    """The example's folder, its two databases, and the processes that run."""

    folder: Path
    environment: dict[str, str]
    port: int
    _running: ExitStack = field(default_factory=ExitStack)

    def start(self, *command: str) -> None:
        """Start a process of the example; it is killed at the end."""
        log = self._running.enter_context((self.folder / "log").open("a"))
        process = subprocess.Popen(
            [sys.executable, *command], cwd=self.folder, env=self.environment, stdout=log, stderr=subprocess.STDOUT
        )
        self._running.callback(process.wait)
        self._running.callback(process.kill)

    def run(self, *command: str, fails: bool = False) -> str:
        """Run a program of the example to its end and return what it said."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def close(self) -> None:
        self._running.close()

    def log(self) -> str:
        """What all processes said."""
        return (self.folder / "log").read_text()

    def rows(self, service: str, statement: str) -> list[Any]:
        """Run a statement in the database of the shop or the warehouse."""
        engine = create_engine(self.environment[f"{service.upper()}_DATABASE_URL"])
        with engine.begin() as connection:
            found = connection.execute(text(statement))
            rows = list(found) if found.returns_rows else []
        engine.dispose()
        return rows

    def sell(self, item: str, quantity: int) -> None:
        """Ask the shop."""
        url = f"http://{LOOPBACK}:{self.port}/items/{item}/sell"
        assert requests.post(url, json={"quantity": quantity}, timeout=10).status_code == 201

    def sold(self) -> dict[str, int]:
        """What the warehouse has heard of."""
        return dict(tuple(row) for row in self.rows("warehouse", "SELECT item, sold FROM stock"))


@pytest.fixture
def users(vhost: Vhost) -> Iterator[dict[str, str]]:
    """The URLs of the users that the README makes, with the rights that it gives them."""
    (script,) = [block.text for block in code_blocks(README) if block.title == "users.sh"]
    made: list[str] = []
    for line in script.splitlines():
        program, command, user, *words = shlex.split(line)
        assert program == "rabbitmqctl"
        if command == "add_user":
            vhost.manage("PUT", f"users/{user}", json={"password": PASSWORD, "tags": ""})
            made.append(user)
        elif command == "set_permissions":
            rights = dict(zip(("configure", "write", "read"), words, strict=True))
            vhost.manage("PUT", f"permissions/{{vhost}}/{user}", json=rights)
        else:
            assert command == "set_topic_permissions"
            rights = dict(zip(("exchange", "write", "read"), words, strict=True))
            vhost.manage("PUT", f"topic-permissions/{{vhost}}/{user}", json=rights)
    name = quote(vhost.name, safe="")
    yield {user: f"amqp://{user}:{PASSWORD}@{LOOPBACK}:{vhost.server.port}/{name}" for user in made}
    for user in made:
        if user != SHOP:  # other tests have it, too
            vhost.manage("DELETE", f"users/{user}")


@pytest.fixture
def example(
    tmp_path: Path, database: Callable[..., ServiceDatabase], vhost: Vhost, users: dict[str, str]
) -> Iterator[Example]:
    """The README's files beside a copy of messaging, and all that the README has one start."""
    shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    for block in code_blocks(README):
        if block.title:
            block.apply(tmp_path)
    (port,) = pick_free(1)
    environment = {
        "PATH": os.environ["PATH"],
        "SHOP_DATABASE_URL": _with_driver(database("tracker").owner_url),
        "SHOP_AMQP_URL": users["shop"],
        "WAREHOUSE_DATABASE_URL": _with_driver(database("billing").owner_url),
        "WAREHOUSE_AMQP_URL": users["warehouse"],
        "ADMIN_AMQP_URL": vhost.administrator_url,
    }
    (tmp_path / "log").touch()
    made = Example(tmp_path, environment, port)
    try:
        yield made
    finally:
        made.close()
        sys.stdout.write(made.log())


def _with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg2://", 1)


def test_the_example_does_what_the_readme_says(example: Example) -> None:
    assert "No module named 'chassis'" in example.run("-c", "import messaging, chassis", fails=True)
    example.run("prepare.py")
    example.start("-m", "flask", "--app", "shop", "run", "--port", str(example.port))
    example.start("shop.py")
    example.start("warehouse.py")
    eventually(lambda: is_answered(example.port))

    example.sell("tea", 3)
    eventually(lambda: example.sold() == {"tea": 3})

    # As if the relay had died between the broker's confirm and its own mark: the event is sent twice.
    eventually(lambda: example.rows("shop", "SELECT 1 FROM outbox WHERE published_at IS NULL") == [])
    example.rows("shop", "UPDATE outbox SET published_at = NULL")
    eventually(lambda: "duplicate" in example.log())
    example.sell("tea", 7)
    eventually(lambda: example.sold() != {"tea": 3})
    assert example.sold() == {"tea": 10}

    example.sell("coffee", 2)
    eventually(lambda: "we keep no coffee" in example.run("warehouse_letters.py"), every=0.5)
    example.rows("warehouse", "INSERT INTO stock VALUES ('coffee', 0)")
    example.run("warehouse_letters.py", "replay")
    eventually(lambda: example.sold() == {"tea": 10, "coffee": 2})
    eventually(lambda: example.run("warehouse_letters.py") == "", every=0.5)

    example.rows("warehouse", "UPDATE stock SET sold = 99")
    assert "'done': 3" in example.run("warehouse_rebuild.py")
    assert example.sold() == {"tea": 10, "coffee": 2}
    example.sell("coffee", 1)
    eventually(lambda: example.sold() == {"tea": 10, "coffee": 3})


def test_the_test_in_the_readme_passes_without_rabbitmq(example: Example) -> None:
    example.run("prepare.py")
    example.environment["SHOP_AMQP_URL"] = example.environment["WAREHOUSE_AMQP_URL"] = NO_BROKER
    assert "1 passed" in example.run("-m", "pytest", "-q", "test_sales.py")
    assert example.sold() == {"tea": 1}
