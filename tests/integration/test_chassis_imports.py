"""What a process has loaded once it works: nothing that only others need. It is most of its memory and of its start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.settings import CONSUMING_SERVICES, SERVICES
from tests.chassis_parts import NOWHERE
from tests.integration.test_chassis_processes import free_port, is_alive
from tests.waiting import eventually

FOR_PAGES = {"flask", "flask_smorest", "waitress", "werkzeug", "authlib"}
FOR_PICTURES = {"cv2", "PIL"}
#: Colours in a terminal, which structlog loads wherever they are installed.
FOR_PEOPLE = {"rich.console"}
FOR_MIGRATIONS = {"alembic"}
FOR_WHAT_DOES_NOT_FIT = {"jsonschema"}
NEVER = FOR_PICTURES | FOR_PEOPLE | FOR_MIGRATIONS | FOR_WHAT_DOES_NOT_FIT


def loaded(service: str, kind: str, folder: Path) -> set[str]:
    """Run the process, without its servers, until it answers probes; return the modules that it has imported.

    Without those that were imported by name, which import others.
    """
    port = free_port()
    prefix = service.upper()
    told = {
        "PATH": os.environ["PATH"],
        f"{prefix}_DATABASE_URL": NOWHERE,
        f"{prefix}_AMQP_URL": "amqp://nobody:secret@127.0.0.1:1/",
        f"{prefix}_SECRET_KEY": "a-secret-that-is-long-enough",
        "ATES_STATE_DIR": str(folder),
        f"ATES_PORT_{prefix}" if kind == "web" else "ATES_HEALTH_PORT": str(port),
    }
    command = [sys.executable, "-X", "importtime", "-m", f"{service}_service", kind]
    log = folder / "log"
    with log.open("wb") as lines, subprocess.Popen(command, env=told, stderr=lines) as running:
        try:
            eventually(lambda: is_alive(port), timeout=60)
        finally:
            running.kill()
    return {line.rpartition("|")[2].strip() for line in log.read_text().splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize("service", SERVICES)
def test_a_relay_loads_neither_the_orm_nor_any_of_its_services_code(service: str, tmp_path: Path) -> None:
    modules = loaded(service, "relay", tmp_path)
    assert "messaging.relay" in modules
    assert modules & (NEVER | FOR_PAGES | {"sqlalchemy", "apscheduler", "requests", "numpy"}) == set()
    assert {name for name in modules if name.startswith(f"{service}_service.")} == set()


@pytest.mark.parametrize("service", CONSUMING_SERVICES)
def test_a_consumer_loads_nothing_of_the_pages(service: str, tmp_path: Path) -> None:
    modules = loaded(service, "consumer", tmp_path)
    assert {"messaging.consumer", f"{service}_service.models", "chassis.scheduler"} <= modules
    assert modules & (NEVER | FOR_PAGES | {"numpy", f"{service}_service.app"}) == set()


@pytest.mark.parametrize("service", SERVICES)
def test_a_web_server_never_talks_to_the_broker_and_runs_jobs_only_where_there_is_no_consumer(
    service: str, tmp_path: Path
) -> None:
    modules = loaded(service, "web", tmp_path)
    assert {"flask", f"{service}_service.models"} <= modules
    assert modules & (NEVER | {"pika"}) == set()
    assert ("chassis.process.scheduler" in modules) == (service not in CONSUMING_SERVICES)
