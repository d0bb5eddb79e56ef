"""`./ates doctor` tells what keeps the system from being started here, and needs nothing but Python itself."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.doctor import PORTS, Finding, examine, report
from deploy.ports import LOOPBACK, pick_free
from deploy.settings import REPOSITORY, load_deployment


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """In which all would be well."""
    ports = pick_free(len(PORTS))
    return {"ATES_STATE_DIR": str(tmp_path / "var")} | {
        name: str(port) for name, port in zip(PORTS, ports, strict=True)
    }


def finding(environment: dict[str, str], name: str) -> Finding:
    return next(found for found in examine(environment) if found.name == name)


def test_it_knows_the_ports_that_a_start_would_take() -> None:
    assert load_deployment({}).ports == PORTS


def test_where_nothing_is_wrong_it_says_so_and_leaves_nothing_behind(environment: dict[str, str]) -> None:
    found = examine(environment)
    assert [one for one in found if not one.well] == []
    assert report(found, as_json=True) == 0
    assert not Path(environment["ATES_STATE_DIR"]).exists()


def test_it_needs_no_package_and_answers_scripts(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "deploy.doctor", "--json"],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["well"]


def test_a_port_that_is_taken_or_named_twice_or_no_port_is_named_with_its_variable(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    environment["ATES_PORT_BILLING"] = environment["ATES_PORT_AUTH"]
    environment["ATES_AMQP_PORT"] = "high"
    with socket.create_server((LOOPBACK, int(environment["ATES_PG_PORT"]))):
        found = examine(environment)
    wrong = {one.name: one.detail for one in found if not one.well}
    assert set(wrong) == {"ATES_PORT_BILLING", "ATES_AMQP_PORT", "ATES_PG_PORT"}
    assert "ATES_PORT_AUTH" in wrong["ATES_PORT_BILLING"]
    assert report(found, as_json=False) == 1
    assert "BAD  ATES_PG_PORT" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_to_and_a_zone_that_nobody_knows_are_faults(
    environment: dict[str, str],
) -> None:
    environment |= {"ATES_STATE_DIR": "/proc/nowhere", "BUSINESS_TIMEZONE": "Mars/Olympus"}
    assert not finding(environment, "state folder").well
    assert not finding(environment, "time zone").well


def test_a_server_that_is_too_old_is_told_by_its_version(environment: dict[str, str], tmp_path: Path) -> None:
    server = tmp_path / "rabbitmq_server-3.8.9" / "sbin" / "rabbitmq-server"
    server.parent.mkdir(parents=True)
    server.touch()
    found = finding(environment | {"ATES_RABBITMQ_SERVER": str(server)}, "RabbitMQ")
    assert (found.well, found.detail) == (False, "version 3.8.9 is too old")
