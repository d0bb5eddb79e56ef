"""The RabbitMQ node of a running system, as its administrator sees it."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from deploy.accounts import become
from deploy.programs import environment_of

_TIMEOUT = 60


@dataclass(frozen=True)
class Queue:
    """A queue, as the management plugin tells."""

    name: str
    #: None while the plugin does not know yet.
    messages: int | None
    consumers: int | None


def queues(run: dict[str, Any]) -> list[Queue]:
    """Return all queues of the system."""
    found = manage(run, "GET", "queues")
    return [Queue(queue["name"], queue.get("messages"), queue.get("consumers")) for queue in found.json()]


def manage(run: dict[str, Any], method: str, kind: str, what: str = "", **options: Any) -> requests.Response:
    """Ask the management plugin about the system's vhost: `manage(run, "GET", "queues", "billing.dead")`."""
    vhost = urlsplit(run["rabbitmq"]["amqp"]).path  # with its slash, and quoted
    url = f"{run['rabbitmq']['management']}/api/{kind}{vhost}{'/' if what else ''}{what}"
    credentials = (run["rabbitmq"]["user"], run["rabbitmq"]["password"])
    answer = requests.request(method, url, auth=credentials, timeout=_TIMEOUT, **options)
    answer.raise_for_status()
    return answer


@contextmanager
def memory_alarm(node: int) -> Iterator[None]:
    """Let the node, given by its process id, find that it has too little memory, until the end of the block."""
    usual = control(node, "eval", "vm_memory_monitor:get_vm_memory_high_watermark().").strip()
    control(node, "set_vm_memory_high_watermark", "0.0000001")
    try:
        yield
    finally:
        control(node, "set_vm_memory_high_watermark", usual)


def control(node: int, *words: str) -> str:
    """Run rabbitmqctl for the node, given by its process id, as whoever runs the node; return what it prints."""
    environment = environment_of(node)
    program = Path(environment["ERL_LIBS"].partition(":")[0]).parent / "sbin" / "rabbitmqctl"
    owner = Path("/proc", str(node)).stat().st_uid
    account = None if owner == os.geteuid() else pwd.getpwuid(owner).pw_name
    command = [*become(account), str(program), "--quiet", *words]
    done = subprocess.run(
        command, env=environment, cwd=environment["HOME"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
