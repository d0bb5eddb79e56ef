"""The whole system, once for each test module."""

import shutil
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.running import RunningSystem
from tests.waiting import eventually


@pytest.fixture(scope="module")
def running_system(request: pytest.FixtureRequest) -> Iterator[RunningSystem]:
    """A copy of the system that is not started yet; in the end nothing of it may be left.

    The module may say in `ENDED_BY` which signal make gets then.
    """
    system = RunningSystem()
    yield system
    if system.process.poll() is None:
        system.stop(getattr(request.module, "ENDED_BY", signal.SIGTERM))
    try:
        eventually(lambda: system.left_over() == [])
    finally:
        shutil.rmtree(system.state_dir)


@pytest.fixture(scope="module")
def system(running_system: RunningSystem) -> dict[str, Any]:
    """The content of run.json of a running system."""
    running_system.launch()
    return running_system.wait_until_ready()
