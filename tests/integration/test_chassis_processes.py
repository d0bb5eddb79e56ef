"""The processes of a service start without the servers that they need, and end quickly when told to."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.chassis_parts import NOWHERE
from tests.waiting import eventually

#: The variable with the port on which each process says that it is alive.
SERVED_BY = {
    "web": "ATES_PORT_TRACKER",
    "relay": "ATES_HEALTH_PORT",
    "consumer": "ATES_HEALTH_PORT",
    "scheduler": "ATES_HEALTH_PORT",
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def environment(state_dir: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "TRACKER_DATABASE_URL": NOWHERE,
        "TRACKER_AMQP_URL": "amqp://nobody:secret@127.0.0.1:1/",
        "TRACKER_SECRET_KEY": "a-secret-that-is-long-enough",
        "ATES_STATE_DIR": str(state_dir),
        **more,
    }


@contextmanager
def process(name: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.chassis_house", name]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def is_alive(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/livez", timeout=5).status_code == 200
    except requests.RequestException:
        return False


#: Whom each process needs first; the consumer runs the jobs, too.
WAITS_FOR = {
    "web": "waiting for the database",
    "relay": "waiting for the database",
    "consumer": "waiting for the broker; waiting for the database",
    "scheduler": "waiting for the database",
}


def is_waiting(name: str, port: int) -> bool:
    answer = requests.get(f"http://127.0.0.1:{port}/readyz", timeout=30)
    assert answer.json()["doing"] == WAITS_FOR[name]
    return answer.status_code == 503


@pytest.mark.parametrize("name", list(SERVED_BY))
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_process_is_alive_without_its_servers_and_ends_within_seconds(
    name: str, told: signal.Signals, tmp_path: Path
) -> None:
    port = free_port()
    with process(name, environment(tmp_path, **{SERVED_BY[name]: str(port)})) as running:
        eventually(lambda: is_alive(port))
        eventually(lambda: is_waiting(name, port))
        metrics = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
        assert 'health_ready{service="tracker"} 0.0' in metrics
        assert "Umask:\t0077\n" in Path(f"/proc/{running.pid}/status").read_text()  # its files are private
        running.send_signal(told)
        _, log = running.communicate(timeout=20)
    assert running.returncode == 0
    for line in log.splitlines():
        record = json.loads(line)
        assert (record["service"], record["process"]) == ("tracker", name)
        assert "Traceback" not in line


def test_a_missing_variable_is_named_and_nothing_starts(tmp_path: Path) -> None:
    env = environment(tmp_path)
    del env["TRACKER_SECRET_KEY"]
    with process("web", env) as running:
        _, said = running.communicate(timeout=30)
    assert running.returncode == 1
    assert "TRACKER_SECRET_KEY" in said


def test_migrations_want_the_role_that_owns_the_tables(tmp_path: Path) -> None:
    with process("migrate", environment(tmp_path)) as running:
        _, said = running.communicate(timeout=30)
    assert running.returncode == 1
    assert "TRACKER_OWNER_DATABASE_URL" in said


@pytest.mark.parametrize(("level", "says"), [("INFO", True), ("ERROR", False)])
def test_the_web_server_says_no_more_than_is_wanted(tmp_path: Path, level: str, says: bool) -> None:
    port = free_port()
    command = [sys.executable, "-m", "tests.chassis_house", "web"]
    env = environment(tmp_path, ATES_PORT_TRACKER=str(port), ATES_LOG_LEVEL=level)
    log = tmp_path / "log"
    with log.open("wb") as lines, subprocess.Popen(command, env=env, stdout=lines, stderr=lines) as running:
        try:
            eventually(lambda: is_alive(port))
        finally:
            running.terminate()
    assert ('"serving"' in log.read_text()) == says
