"""Programs to look after."""

import os
from collections.abc import Callable
from pathlib import Path

from deploy.programs import Program
from deploy.supervisor import Supervisor


def program(folder: Path, script: str, name: str = "parrot", **changes: object) -> Program:
    values = {
        "name": name,
        "command": ("/bin/sh", "-c", script),
        "environment": {"PATH": os.environ["PATH"]},
        "directory": folder,
        "log": folder / f"{name}.log",
    }
    return Program(**(values | changes))  # type: ignore[arg-type]


def keeping(supervisor: Supervisor, condition: Callable[[], bool], timeout: float = 30) -> None:
    supervisor.wait_for("the test", condition, timeout=timeout)
