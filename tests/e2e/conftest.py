"""The whole system, once for each test module."""

import itertools
import shutil
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.running import RunningSystem
from tests.waiting import eventually

#: What ends one system after the other: a service manager, or Ctrl-C for make alone, which does not pass it on.
_ENDS = itertools.cycle((signal.SIGTERM, signal.SIGINT))


@pytest.fixture(scope="module")
def running_system() -> Iterator[RunningSystem]:
    """A copy of the system that is not started yet; in the end nothing of it may be left."""
    system = RunningSystem()
    yield system
    if system.process.poll() is None:
        system.stop(next(_ENDS))
    try:
        eventually(lambda: system.left_over() == [], timeout=10)
    finally:
        shutil.rmtree(system.state_dir)


@pytest.fixture(scope="module")
def system(running_system: RunningSystem) -> dict[str, Any]:
    """The content of run.json of a running system."""
    running_system.launch()
    return running_system.wait_until_ready()
