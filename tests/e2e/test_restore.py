"""A backup of Postgres is restored to a point in time, as docs/production.md says, and events make the rest whole."""

import json
import os
import shutil
import signal
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from deploy.accounts import become, give, server_home
from deploy.settings import REPOSITORY
from tests.e2e.audit import check_events, check_money, check_replicas, under_way
from tests.e2e.parrots import Parrot, company
from tests.e2e.running import RunningSystem
from tests.waiting import eventually

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]

PATIENCE = 180
ACCIDENT = "just before the accident"


class Postgres:
    """The server of a system, as who looks after it sees it."""

    def __init__(self, system: RunningSystem) -> None:
        self.home, self.account = server_home(system.state_dir, "postgres", "postgres")
        self.data, self.base, self.archive = (self.home / name for name in ("data", "base", "archive"))
        self._password = json.loads((system.state_dir / "secrets.json").read_text())["postgres"]
        self._port = system.ports["ATES_PG_PORT"]

    def tell(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement as the administrator."""
        url = f"postgresql://postgres:{self._password}@127.0.0.1:{self._port}/postgres"
        with closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def archive_its_log(self) -> None:
        """Have it keep what is written ahead; it has to be started anew for that."""
        self.archive.mkdir()
        give(self.archive, self.account)
        self.tell("ALTER SYSTEM SET archive_mode = on")
        self.tell(f"ALTER SYSTEM SET archive_command = 'test ! -f {self.archive}/%f && cp %p {self.archive}/%f'")

    def back_up(self) -> None:
        """Take a base backup of the running server."""
        binary = max(Path("/usr/lib/postgresql").glob("*/bin/pg_basebackup"))
        address = f"--host=127.0.0.1 --port={self._port} --username=postgres --pgdata={self.base}".split()
        subprocess.run(
            [*become(self.account), binary, *address, "--checkpoint=fast", "--wal-method=none"],
            check=True,
            cwd=self.home,
            env={"PATH": os.environ["PATH"], "PGPASSWORD": self._password},
        )

    def mark(self) -> None:
        """Give this moment a name, and wait until all that led to it is in the archive."""
        ((position,),) = self.tell(f"SELECT pg_walfile_name(pg_create_restore_point('{ACCIDENT}'))")
        self.tell("SELECT pg_switch_wal()")
        eventually(lambda: (self.archive / position).exists(), timeout=PATIENCE)

    def restore(self) -> None:
        """Put the backup in the place of the data, to be brought up to the moment of that name."""
        self.data.rename(self.home / "evidence")
        self.base.rename(self.data)
        signal_file, configuration = self.data / "recovery.signal", self.data / "postgresql.auto.conf"
        signal_file.touch()
        give(signal_file, self.account)
        with configuration.open("a") as file:
            file.write(f"restore_command = 'cp {self.archive}/%f %p'\n")
            file.write(f"recovery_target_name = '{ACCIDENT}'\nrecovery_target_action = promote\nhot_standby = off\n")


@pytest.fixture
def ates(running_system: RunningSystem) -> Any:
    environment = os.environ | {"ATES_STATE_DIR": str(running_system.state_dir)}

    def run(*words: str) -> int:
        return subprocess.run(["./ates", *words], cwd=REPOSITORY, env=environment, check=False).returncode

    return run


def create(parrot: Parrot, *titles: str) -> list[str]:
    return [parrot.post("tracker", "/api/v1/tasks", {"title": title}, expect=201)["id"] for title in titles]


def pid(run: dict[str, Any], name: str) -> int:
    return next(int(process["pid"]) for process in run["processes"] if process["name"] == name)


def at_rest(run: dict[str, Any]) -> bool:
    assert under_way(run) == []
    return True


def test_after_a_restore_what_was_on_its_way_comes_again_and_nothing_has_its_effect_twice(
    running_system: RunningSystem, ates: Any
) -> None:
    running_system.launch()
    running_system.wait_until_ready()
    postgres = Postgres(running_system)
    postgres.archive_its_log()
    running_system.stop(signal.SIGTERM)
    running_system.launch()
    run = running_system.wait_until_ready()
    worker = next(parrot for parrot in company(run).values() if parrot.role == "popug")

    old = create(worker, *(f"Before the backup {n}" for n in range(20)))
    postgres.back_up()
    old += create(worker, *(f"After the backup {n}" for n in range(20)))
    eventually(lambda: at_rest(run), timeout=PATIENCE)

    # In this moment events lie in RabbitMQ: published, as their producer knows, and not yet handled.
    billing = pid(run, "billing.consumer")
    os.kill(billing, signal.SIGSTOP)
    try:
        under_way_then = create(worker, *(f"On its way {n}" for n in range(20)))
        eventually(lambda: postgres_knows_all_is_published(run), timeout=PATIENCE)
        postgres.mark()
    finally:
        os.kill(billing, signal.SIGCONT)
    lost = create(worker, *(f"After the accident {n}" for n in range(20)))
    eventually(lambda: at_rest(run), timeout=PATIENCE)

    running_system.stop(signal.SIGTERM)
    postgres.restore()
    shutil.rmtree(server_home(running_system.state_dir, "rabbitmq", "rabbitmq")[0] / "data")
    running_system.launch()
    run = running_system.wait_until_ready()

    assert ates("verify", "--wait", "5") == 1
    for service in ("tracker", "billing", "analytics"):
        assert ates("replay", "--to", service, "--yes") == 0
    eventually(lambda: at_rest(run), timeout=PATIENCE)
    eventually(lambda: ates("verify") == 0, timeout=PATIENCE)
    check_events(run)
    check_replicas(run)
    check_money(run)

    worker = next(parrot for parrot in company(run).values() if parrot.role == "popug")
    for task in (*old, *under_way_then):
        assert worker.ask("GET", "tracker", f"/api/v1/tasks/{task}").status_code != 404
    for task in lost:
        assert worker.ask("GET", "tracker", f"/api/v1/tasks/{task}").status_code == 404


def postgres_knows_all_is_published(run: dict[str, Any]) -> bool:
    assert not [left for left in under_way(run) if left.endswith("of tracker are not published")]
    return True
