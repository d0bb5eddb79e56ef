"""A process ends when it is told to, whatever it is waiting for."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chassis.settings import REPOSITORY
from tests.waiting import eventually

#: Its main thread waits for the event, as our loops do between two rounds.
LISTENS = """
from messaging import stop_at_signal
stop = stop_at_signal()
print("ready", flush=True)
stop.wait()
print("orderly", flush=True)
"""
#: Its main thread is inside a library that lets no signal through, as a resolver of names without a name server is.
IS_DEAF = """
import sqlite3
from messaging import stop_at_signal
stop_at_signal()
database = sqlite3.connect(":memory:")
print("ready", flush=True)
database.execute("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n")
"""


@contextmanager
def running(program: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def ticks(process: "subprocess.Popen[str]") -> int:
    """Return how many hundredths of a second of a processor it has used."""
    return int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_comes_to_an_orderly_end(number: signal.Signals) -> None:
    with running(LISTENS) as process:
        process.send_signal(number)
        said, _ = process.communicate()
    assert (process.returncode, said) == (0, "orderly\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_also_while_its_main_thread_hears_nothing_and_does_not_call_that_a_success(
    number: signal.Signals,
) -> None:
    with running(IS_DEAF) as process:
        before = ticks(process)
        eventually(lambda: ticks(process) > before + 20)  # by then it is inside the library
        process.send_signal(number)
        assert process.wait() == 128 + number
