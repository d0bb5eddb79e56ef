"""Processes of a running system are killed, at random or as often as they come up."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.programs import identity_of, kill

#: Seconds between two kills, at most.
_LONGEST_PEACE = 2.0


def pids(run_file: Path) -> dict[str, int]:
    """Return the processes by name, as run.json tells."""
    return {process["name"]: process["pid"] for process in json.loads(run_file.read_text())["processes"]}


class Killer:
    """Kills one process after the other, at moments and in an order that a seed decides.

    Everybody has a turn before anybody has a second one.
    """

    def __init__(self, run_file: Path, seed: int) -> None:
        """Take the file that tells who runs."""
        self.killed: list[tuple[str, int]] = []
        self._run_file = run_file
        self._random = random.Random(seed)
        self._deck: list[str] = []

    def go_on_for(self, seconds: float) -> None:
        """Kill for so long, and until everybody had a turn."""
        deadline = time.monotonic() + seconds
        everybody = set(pids(self._run_file))
        while time.monotonic() < deadline or not everybody <= {name for name, _ in self.killed}:
            time.sleep(self._random.uniform(0, _LONGEST_PEACE))
            self._kill_next()

    def _kill_next(self) -> None:
        running = pids(self._run_file)
        if not self._deck:
            self._deck = sorted(running)
            self._random.shuffle(self._deck)
        name = next((name for name in self._deck if self._is_running(name, running.get(name))), None)
        if name is not None:
            self._deck.remove(name)
            self.killed.append((name, running[name]))
            kill(running[name])

    def _is_running(self, name: str, pid: int | None) -> bool:
        if pid is None or (name, pid) in self.killed:
            return False
        identity = identity_of(pid)
        return identity is not None and identity.is_alive()


@contextmanager
def kept_away(run_file: Path, name: str) -> Iterator[None]:
    """Kill the process, and its successors as soon as they are started, until the end of the block."""
    over = threading.Event()

    def go_on() -> None:
        last = None
        while not over.is_set():
            pid = pids(run_file).get(name)
            if pid not in (None, last):
                kill(pid)
                last = pid
            over.wait(0.05)

    thread = threading.Thread(target=go_on, name=f"away with {name}")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Let the process do nothing until the end of the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
