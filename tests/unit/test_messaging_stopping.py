"""A process ends when it is told to, whatever it is waiting for."""

import signal
import subprocess
import sys

import pytest

from chassis.settings import REPOSITORY

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


def ended(program: str, number: signal.Signals) -> tuple[int, str]:
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        rest = process.stdout.read()
    return process.returncode, rest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_comes_to_an_orderly_end(number: signal.Signals) -> None:
    assert ended(LISTENS, number) == (0, "orderly\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_also_while_its_main_thread_hears_nothing(number: signal.Signals) -> None:
    assert ended(IS_DEAF, number) == (0, "")
