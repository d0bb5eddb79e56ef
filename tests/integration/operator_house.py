"""An operator at `./ates`, beside a system of which there are the databases and nothing else."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from chassis.db import Database
from chassis.settings import Settings
from deploy.cli.__main__ import ates
from deploy.run_file import Run, write_run

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
