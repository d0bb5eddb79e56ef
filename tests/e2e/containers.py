"""The containers of docker-compose.yml, run by a real engine, with the demo company and on ports of their own."""

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import yaml

from deploy.ports import pick_free
from deploy.settings import REPOSITORY, load_deployment
from tests.waiting import eventually

#: How compose and its engine are called here: such as "docker compose" and "docker", or "podman compose" and "podman".
COMPOSE = shlex.split(os.environ.get("ATES_COMPOSE", "docker compose"))
ENGINE = shlex.split(os.environ.get("ATES_ENGINE", "docker"))
#: Seconds until all containers of a busy machine are healthy.
PATIENCE = 300

_DEMO = "deploy/docker/demo.env"
_DEFINED: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]

SERVICES = [name for name, each in _DEFINED.items() if each.get("profiles", ["demo"]) == ["demo"]]
#: Those that end by themselves when they have done their work.
ONCE = [name for name in SERVICES if name in ("databases", "definitions")]
#: Those that run our code for as long as there are.
OURS = [name for name in SERVICES if _DEFINED[name]["image"] == "ates" and name not in ONCE]
#: Those of others: what kills one of these is the engine, which then does not start it by itself.
SERVERS = [name for name in SERVICES if name not in ONCE and name not in OURS]


class Containers:
    """One project of compose."""

    def __init__(self) -> None:
        """Choose ports; nothing is started."""
        variables = list(load_deployment({}).ports)
        self._ports = dict(zip(variables, pick_free(len(variables)), strict=True))
        self._ids: dict[str, str] = {}

    @property
    def urls(self) -> dict[str, str]:
        """Return the address of each service of the company."""
        prefix = "ATES_PORT_"
        return {
            name.removeprefix(prefix).lower(): f"http://127.0.0.1:{port}"
            for name, port in self._ports.items()
            if name.startswith(prefix)
        }

    def compose(self, *words: str) -> bytes:
        """Give compose a command and return what it prints."""
        environment = os.environ | {name: str(port) for name, port in self._ports.items()}
        environment["COMPOSE_PROJECT_NAME"] = "ates-test"
        command = [*COMPOSE, "--env-file", _DEMO, *words]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
        return done.stdout

    def in_container(self, service: str, *words: str) -> bytes:
        """Run a command in the container and return what it prints."""
        return self.compose("exec", "-T", service, *words)

    def state(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of the container: Status, ExitCode, Health, ..."""
        return self._states()[service]

    def wait_until_well(self) -> None:
        """Wait until all run and are healthy, or have done their work and ended. Some have nobody who asks them."""

        def well() -> bool:
            states = self._states()
            unwell = [name for name in SERVICES if name not in states or not _is_well(name, states[name])]
            assert not unwell, unwell
            return True

        eventually(well, timeout=PATIENCE, every=1)

    def signal(self, service: str, name: str) -> None:
        """Send the signal to all that runs in the container, as a fault would, and wait until it was started again."""
        started = self.state(service)["StartedAt"]
        subprocess.run(
            [*ENGINE, "exec", self._id(service), "sh", "-c", f"kill -{name} -1"], capture_output=True, check=False
        )
        eventually(lambda: self.state(service)["StartedAt"] != started, timeout=PATIENCE, every=0.5)

    def beak(self, key: str, folder: Path) -> Path:
        """Return a copy of the picture of one of the demo company."""
        photo = folder / f"{key}.png"
        photo.write_bytes(self.in_container("auth-web", "cat", f"/state/beaks/{key}.png"))
        return photo

    def _id(self, service: str) -> str:
        if service not in self._ids:  # it keeps its name through every restart
            self._ids[service] = self.compose("ps", "-a", "-q", service).decode().split()[0]
        return self._ids[service]

    def _states(self) -> dict[str, dict[str, Any]]:
        containers = self.compose("ps", "-a", "-q").decode().split()
        done = subprocess.run([*ENGINE, "inspect", *containers], capture_output=True, check=True)
        return {
            each["Config"]["Labels"]["com.docker.compose.service"]: each["State"] for each in json.loads(done.stdout)
        }


def _is_well(service: str, state: dict[str, Any]) -> bool:
    if service in ONCE:
        return bool(state["Status"] == "exited" and state["ExitCode"] == 0)
    health = (state.get("Health") or {}).get("Status") or "healthy"
    return bool(state["Status"] == "running" and health == "healthy")
