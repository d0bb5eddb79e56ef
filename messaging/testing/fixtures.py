"""Fixtures of pytest, for a conftest.py or a test module: `pytest_plugins = ["messaging.testing.fixtures"]`."""

import threading
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from messaging.testing.stub import StubBroker
from messaging.topology import shared_topology


class Runs(Protocol):
    """A relay, a consumer, or whatever else works until it is told to stop."""

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        ...


@pytest.fixture
def stub_broker() -> StubBroker:
    """Return a broker in memory with the shared exchanges; `stub_broker.as_user("shop")` is its view of a user."""
    made = StubBroker()
    made.declare(shared_topology())
    return made


@pytest.fixture
def running() -> Iterator[Callable[[Runs], None]]:
    """Yield what runs a relay or a consumer on a thread of its own until the test is over."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def run(worker: Runs) -> None:
        threads.append(threading.Thread(target=worker.run, args=(stop,)))
        threads[-1].start()

    yield run
    stop.set()
    for thread in threads:
        thread.join()
