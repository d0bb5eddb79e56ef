"""An operator at `./ates`, beside a system of which there are the databases and nothing else."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from click.testing import CliRunner, Result
from sqlalchemy import func, select

from analytics_service.models import User
from chassis.db import Database
from chassis.settings import Settings
from deploy.cli.__main__ import ates
from deploy.programs import environment_of
from deploy.run_file import Run, run_file, write_run
from deploy.settings import REPOSITORY
from messaging import Event
from messaging.replay import ongoing

#: Nobody listens on the port "discard".
AWAY = "http://127.0.0.1:9"


class Operator:
    """Gives commands to the system of this state folder."""

    def __init__(self, state_dir: Path, databases: Mapping[str, Database]) -> None:
        self.state_dir = state_dir
        self.databases = databases

    def run(self, *words: object) -> Result:
        return CliRunner().invoke(ates, [*map(str, words)], env={"ATES_STATE_DIR": str(self.state_dir)})

    def json(self, *words: object, exit_code: int = 0) -> Any:
        result = self.run(*words, "--json")
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout)


class Replayer:
    """An operator who replays, beside a system of which nothing runs but its servers."""

    def __init__(self, operator: Operator) -> None:
        self.databases = operator.databases
        run = json.loads(run_file(operator.state_dir).read_text())
        self._environment = environment_of(run["processes"][0]["pid"])

    def ates(self, *words: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        """Give the command in a process of its own, since it becomes another program."""
        return self._run("deploy.cli", *words, answer=answer)

    def service(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """The program that it becomes, without the way there."""
        return self._run(f"{name}_service", *words)

    def _run(self, module: str, *words: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", module, "replay", *words]
        return subprocess.run(
            command, cwd=REPOSITORY, env=self._environment, input=answer, capture_output=True, text=True, check=False
        )

    def known_people(self) -> int:
        with self.databases["analytics"].reading() as session:
            return session.scalars(select(func.count()).select_from(User)).one()

    def is_paused(self) -> bool:
        with self.databases["analytics"].reading() as session:
            return ongoing(session) is not None


def registered() -> Event:
    user_id = str(uuid4())
    words = {"name": "Kesha", "email": f"{user_id}@x.example", "role": "popug", "status": "active"}
    data = {"user_id": user_id, **words, "changed_at": "2026-11-21T05:00:00Z", "external_id": None}
    return Event.new("auth.user_registered.v1", subject=user_id, sequence=1, data=data)


@contextmanager
def at_work(state_dir: Path, settings: Mapping[str, Settings]) -> Iterator[Operator]:
    """One process stands for those of all services: it was told what they would have been told, and sleeps."""
    told = os.environ | {"ATES_STATE_DIR": str(state_dir)}
    for service, given in settings.items():
        prefix = service.upper()
        told[f"{prefix}_DATABASE_URL"] = given.database_url
        told[f"{prefix}_AMQP_URL"] = given.amqp_url
        told[f"{prefix}_SECRET_KEY"] = given.secret_key
        told["BUSINESS_TIMEZONE"] = given.business_timezone.key
    databases = {service: Database(given) for service, given in settings.items()}
    with subprocess.Popen(["sleep", "infinity"], env=told) as process:
        try:
            run = Run(
                services=dict.fromkeys(settings, AWAY),
                rabbitmq={"management": AWAY, "user": "nobody", "password": ""},
                databases={service: given.database_url for service, given in settings.items()},
                processes=[{"name": f"{service}.web", "pid": process.pid} for service in settings],
                people=[],
            )
            write_run(state_dir, run)
            yield Operator(state_dir, databases)
        finally:
            process.kill()
            for database in databases.values():
                database.engine.dispose()
