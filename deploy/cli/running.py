"""The running system, as the commands reach it: its databases, and its services' own commands."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from chassis.db import engine_url
from deploy.cli.containers import run_in_containers
from deploy.errors import DeployError
from deploy.programs import Identity, environment_of, identity_of
from deploy.run_file import Run, read_run, run_file
from deploy.settings import REPOSITORY, SERVICES, load_deployment
from messaging.database import new_engine

F = TypeVar("F", bound=Callable[..., Any])


def service_option(command: F) -> F:
    """Let the command be about one service."""
    return click.option(
        "--service", type=click.Choice(list(SERVICES)), help="Only this service. Without it: all services."
    )(command)


def running_system() -> Run:
    """Return what runs here, or in containers beside us. Raises DeployError saying what to do if nothing does."""
    deployment = load_deployment()
    if not run_file(deployment.state_dir).exists() and (containers := run_in_containers(os.environ)):
        return containers
    run = read_run(deployment)
    if not any(living(process["pid"]) for process in run.processes):
        raise DeployError(
            f"The system does not run: it was killed, and nothing in {deployment.state_dir} is alive. "
            "Start it with `make up`."
        )
    return run


def chosen_services(run: Run, service: str | None) -> Sequence[str]:
    """Return the one service that was asked for, otherwise all."""
    return [service] if service else list(run.databases)


def living(pid: int) -> Identity | None:
    """Return the process if it is alive."""
    identity = identity_of(pid)
    return identity if identity is not None and identity.is_alive() else None


@contextmanager
def open_database(run: Run, service: str) -> Iterator[Session]:
    """Yield a session with the service's database. Raises DeployError if it cannot be asked."""
    engine = new_engine(engine_url(run.databases[service]), connect_args={"connect_timeout": 3})
    try:
        with asking_databases(service), Session(engine) as session:
            yield session
    finally:
        engine.dispose()


@contextmanager
def asking_databases(service: str) -> Iterator[None]:
    """Let what keeps the service's database from answering become a DeployError."""
    try:
        yield
    except SQLAlchemyError as error:
        why = str(getattr(error, "orig", error)).strip()
        raise DeployError(f"The database of {service} cannot be asked, see `./ates status`: {why}") from error


def ask_service(run: Run, service: str, *words: str) -> Any:
    """Run `python -m <service>_service <words>` and return the JSON that it prints.

    Raises DeployError with what it says instead if it prints none.
    """
    done = subprocess.run(
        [sys.executable, "-m", f"{service}_service", *words],
        cwd=REPOSITORY,
        env=service_environment(run, service),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if not done.stdout:
        raise DeployError(f"{service}: {done.stderr.strip().removeprefix('Error: ')}")
    return json.loads(done.stdout)


def service_environment(run: Run, service: str) -> dict[str, str]:
    """Return what the service's own processes were told; our environment may name another time zone.

    In a container ours is the one that they have.
    """
    if not run.processes:
        return dict(os.environ)
    for process in run.processes:
        if process["name"].startswith(f"{service}.") and living(process["pid"]):
            return environment_of(process["pid"])
    raise DeployError(f"No process of {service} is alive, see `./ates status`.")
