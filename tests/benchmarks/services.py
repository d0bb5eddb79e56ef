"""Processes of the real services, for measuring them together."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import requests

from deploy.databases import ServiceDatabase
from deploy.ports import LOOPBACK, pick_free
from deploy.settings import REPOSITORY
from tests.benchmarks.servers import Servers

#: Seconds that a process may take until it works.
_PATIENCE = 60


def open_services(servers: Servers, *services: str) -> tuple[dict[str, str], dict[str, ServiceDatabase]]:
    """Make a vhost, and a migrated database for each service; return the variables of their processes besides."""
    vhost = servers.new_vhost()
    environment = os.environ | {"ATES_STATE_DIR": str(servers.folder)}
    databases = {service: servers.new_database(service) for service in services}
    for service, database in databases.items():
        prefix = service.upper()
        environment |= {
            f"{prefix}_DATABASE_URL": database.app_url,
            f"{prefix}_OWNER_DATABASE_URL": database.owner_url,
            f"{prefix}_AMQP_URL": servers.amqp_url(vhost, service),
            f"{prefix}_SECRET_KEY": "a key for the benchmarks alone",
        }
        subprocess.run(command(service, "migrate"), cwd=REPOSITORY, env=environment, check=True)
    return environment, databases


@contextmanager
def service_process(service: str, process: str, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process as long as the block lasts."""
    with subprocess.Popen(command(service, process), cwd=REPOSITORY, env=environment) as running:
        try:
            yield running
        finally:
            running.terminate()


@contextmanager
def ready_process(service: str, process: str, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process that answers probes as long as the block lasts, which begins when it works."""
    (port,) = pick_free(1)
    with service_process(service, process, {**environment, "ATES_HEALTH_PORT": str(port)}) as running:
        wait_until_ready(f"http://{LOOPBACK}:{port}")
        yield running


def wait_until_ready(url: str) -> None:
    """Wait until the process at this address works. Raises TimeoutError."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{url}/readyz", timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"{url} does not work after {_PATIENCE} s")


def command(service: str, *words: str) -> list[str]:
    """Return the command line of a process of a service, or of something that it does."""
    return [sys.executable, "-m", f"{service}_service", *words]
