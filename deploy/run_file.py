"""`<state dir>/run.json`: what runs where, for scripts and for ./ates. It is there while the system is ready."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deploy.errors import DeployError
from deploy.files import write_atomically
from deploy.settings import Deployment


@dataclass(frozen=True, kw_only=True)
class Run:
    """A running system, with the keys of run.json."""

    #: The address of each service.
    services: Mapping[str, str]
    #: `amqp` (the administrator's URL), `management`, `user`, `password`.
    rabbitmq: Mapping[str, str]
    #: For each service the URL of its database, as the owner.
    databases: Mapping[str, str]
    #: `name` and `pid` of each; of our own ones `health`, the address of /livez, /readyz and /metrics.
    processes: Sequence[Mapping[str, Any]]
    #: The demo company: `id`, `name`, `email`, `role`, and `beak`, the path of the PNG that signs in.
    people: Sequence[Mapping[str, str]]
    #: How often a process was started again since the system runs, by name; those that never were are not there.
    restarts: Mapping[str, int] = field(default_factory=dict)
    #: How often in a row a process has ended soon after its start, by name; of those that do so again and again now.
    ending_again_and_again: Mapping[str, int] = field(default_factory=dict)


def run_file(state_dir: Path) -> Path:
    """Return where the file is."""
    return state_dir / "run.json"


def write_run(state_dir: Path, run: Run) -> None:
    """Write the file, readable by its owner alone: it holds passwords."""
    write_atomically(run_file(state_dir), json.dumps(asdict(run), indent=1, ensure_ascii=False) + "\n")


def targets_file(state_dir: Path) -> Path:
    """Return where Prometheus finds what to scrape."""
    return state_dir / "prometheus.json"


def write_targets(state_dir: Path, addresses: Mapping[str, str]) -> None:
    """Write the processes that ought to be there, each with its address, as targets of Prometheus:
    https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config

    One that is dead has to be among them: whoever is no target is nowhere said to be away.
    """
    targets = [
        {"targets": [address.removeprefix("http://")], "labels": {"instance": name}}
        for name, address in addresses.items()
    ]
    write_atomically(targets_file(state_dir), json.dumps(targets, indent=1) + "\n", mode=0o644)


def read_run(deployment: Deployment) -> Run:
    """Return what runs. Raises DeployError if nothing does."""
    path = run_file(deployment.state_dir)
    try:
        return Run(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise DeployError(f"The system does not run: there is no {path}. Start it with `make up`.") from error
    except PermissionError as error:
        raise DeployError(f"{path} can be read only by the user who started the system.") from error
