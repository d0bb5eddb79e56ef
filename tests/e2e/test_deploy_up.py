"""`make up` from the first start to the last signal."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from functools import partial
from typing import Any

import pytest
import requests

from deploy.settings import REPOSITORY
from tests.e2e.running import RunningSystem
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.slow


def processes(system: RunningSystem) -> dict[str, int]:
    return {one["name"]: one["pid"] for one in json.loads(system.run_file.read_text())["processes"]}


def addresses(system: RunningSystem) -> dict[str, str]:
    """Where each process of ours answers probes."""
    found = json.loads(system.run_file.read_text())["processes"]
    return {one["name"]: one["health"] for one in found if "health" in one}


@pytest.mark.timeout(900)
def test_it_starts_refuses_a_second_restarts_what_dies_and_leaves_nothing(running_system: RunningSystem) -> None:
    system = running_system

    # A taken port is named before anything is started.
    with socket.create_server(("127.0.0.1", system.ports["ATES_PORT_BILLING"])) as taken:
        system.launch()
        assert system.process.wait(120) != 0
        assert f"Port {taken.getsockname()[1]} is already taken" in system.output
        assert "ATES_PORT_BILLING=<port> make up" in system.output
    assert system.left_over() == []

    # The first start: contract of run.json, people who can sign in, guest gone.
    system.launch()
    run = system.wait_until_ready()
    assert set(run) >= {"services", "rabbitmq", "databases", "processes", "people"}
    assert {person["role"] for person in run["people"]} == {"popug", "boss", "accountant", "manager", "admin"}
    assert len(run["people"]) >= 8
    assert all(requests.get(f"{url}/readyz", timeout=30).ok for url in run["services"].values())
    ours = {f"{service}.{kind}" for service in run["services"] for kind in ("web", "relay", "consumer")}
    assert set(processes(system)) == {"postgres", "rabbitmq", *ours} - {"auth.consumer"}
    management = run["rabbitmq"]["management"]
    assert requests.get(f"{management}/api/whoami", auth=("guest", "guest"), timeout=30).status_code == 401

    # Nobody else on this machine reads letters, beaks, passwords or logs.
    assert _open_to_others(system) == {"prometheus.json", "output"}

    # ./ates sees the same, and that all is well.
    environment = os.environ | {"ATES_STATE_DIR": str(system.state_dir)}
    told = eventually(lambda: _well(environment))
    assert [service["dead_letters"] for service in told["services"]] == [0, 0, 0, 0]
    assert {one["name"]: one["pid"] for one in told["processes"]} == processes(system)
    conditions = {one["name"]: one["doing"] for one in told["processes"] if one["ready"]}
    assert (conditions["tracker.relay"], conditions["billing.web"]) == ("publishing", "serving")
    assert conditions["billing.consumer"] == "consuming; running jobs"
    assert conditions["auth.web"] == "serving; running jobs"

    # Every process says how it is, and Prometheus is told where.
    probed = addresses(system)
    assert set(probed) == set(processes(system)) - {"postgres", "rabbitmq"}
    assert len(set(probed.values())) == len(probed)
    targets = json.loads((system.state_dir / "prometheus.json").read_text())
    assert {one["labels"]["instance"]: f"http://{one['targets'][0]}" for one in targets} == probed
    for name, address in probed.items():
        eventually(partial(_is_ready, address))
        assert requests.get(f"{address}/livez", timeout=30).ok, name
        assert (
            f'health_ready{{service="{name.split(".")[0]}"}} 1.0' in requests.get(f"{address}/metrics", timeout=30).text
        )

    # A second system in the same folder is refused, and the first goes on.
    second = subprocess.run(
        [sys.executable, "-m", "deploy.up"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert "running already" in second.stderr
    assert "Traceback" not in second.stderr

    # Whatever is killed is started again.
    for name, pid in processes(system).items():
        os.kill(pid, signal.SIGKILL)
        eventually(partial(_was_restarted, system, name, pid))
    eventually(lambda: all(_is_ready(address) for address in probed.values()))
    assert addresses(system) == probed

    # One that dies again and again is not well, and remains among those that Prometheus looks for.
    dying = "tracker.consumer"
    os.kill(processes(system)[dying], signal.SIGKILL)
    with eventually(lambda: _taken(probed[dying])):
        eventually(lambda: f"{dying} ended with exit code" in system.output)
        assert _well(environment) is None
        targets = json.loads((system.state_dir / "prometheus.json").read_text())
        assert dying in [one["labels"]["instance"] for one in targets]
    eventually(lambda: _well(environment))

    # make is killed; the next start waits for what is still ending, and everything is as it was.
    os.kill(system.process.pid, signal.SIGKILL)
    system.process.wait()
    system.launch()
    again = system.wait_until_ready()
    assert again["people"] == run["people"]
    assert again["rabbitmq"]["password"] == run["rabbitmq"]["password"]

    # The supervisor itself is killed: its programs end by themselves, and the next start works.
    supervisor = next(line for line in system.left_over() if re.search(r"python -m deploy\.up", line))
    os.kill(int(supervisor.split()[0]), signal.SIGKILL)
    assert system.process.wait(30) != 0
    system.launch()
    system.wait_until_ready()

    # Ctrl-C.
    os.killpg(system.process.pid, signal.SIGINT)
    system.process.wait(PATIENCE)
    assert not system.run_file.exists()
    eventually(lambda: system.left_over() == [])


def _well(environment: dict[str, str]) -> dict[str, Any] | None:
    """What `./ates status` says, if it is that all is well."""
    status = subprocess.run(
        ["./ates", "status", "--json"], cwd=REPOSITORY, env=environment, capture_output=True, check=False
    )
    told: dict[str, Any] = json.loads(status.stdout)
    assert told["well"] == (status.returncode == 0)
    return told if told["well"] else None


def _open_to_others(system: RunningSystem) -> set[str]:
    """What others may read of the state folder; the servers' homes are closed by their owners."""
    found = set()
    for path in system.state_dir.rglob("*"):
        name = str(path.relative_to(system.state_dir))
        if not name.startswith(("postgres/", "rabbitmq/")) and path.exists() and path.stat().st_mode & 0o077:
            found.add(name)
    return found


def _taken(address: str) -> socket.socket:
    """Take the port of somebody who has just been killed. Raises AssertionError while it is still held."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    try:
        return socket.create_server((host, int(port)))
    except OSError as error:
        raise AssertionError(f"{address} is held") from error


def _was_restarted(system: RunningSystem, name: str, pid: int) -> bool:
    return processes(system).get(name) not in (None, pid)


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=30).ok
    except requests.RequestException:
        return False
