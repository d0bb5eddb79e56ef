"""The real services as processes of their own, beside the servers that a benchmark has started."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from deploy.databases import ServiceDatabase
from deploy.settings import REPOSITORY
from tests.benchmarks.servers import Servers


def environment_of(servers: Servers, vhost: str, service: str, database: ServiceDatabase) -> dict[str, str]:
    """Return what the processes of a service are told."""
    prefix = service.upper()
    return {
        "ATES_STATE_DIR": str(servers.folder),
        f"{prefix}_DATABASE_URL": database.app_url,
        f"{prefix}_OWNER_DATABASE_URL": database.owner_url,
        f"{prefix}_AMQP_URL": servers.amqp_url(vhost, service),
        f"{prefix}_SECRET_KEY": "a key for the benchmarks alone",
    }


def migrate(service: str, environment: Mapping[str, str]) -> None:
    """Make the tables of a service."""
    subprocess.run(command(service, "migrate"), cwd=REPOSITORY, env=os.environ | environment, check=True)


def command(service: str, *words: str) -> list[str]:
    """Return the command line of a process of a service."""
    return [sys.executable, "-m", f"{service}_service", *words]


@contextmanager
def running(service: str, process: str, environment: Mapping[str, str]) -> Iterator[None]:
    """Run a process of a service as long as the block lasts."""
    with subprocess.Popen(command(service, process), cwd=REPOSITORY, env=os.environ | environment) as started:
        try:
            yield
        finally:
            started.terminate()
