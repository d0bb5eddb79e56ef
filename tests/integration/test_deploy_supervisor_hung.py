"""A process that does not come to its work any more is started anew, and only such a one."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.liveness import Patience
from deploy.ports import pick_free
from deploy.supervisor import Supervisor
from tests.integration.supervisor_house import keeping, program


@pytest.fixture
def said() -> list[str]:
    return []


#: The third start is far away.
PATIENCE = Patience(every=0.5, bad_answers=4, bad_answers_at_first=8, restart_delays=(0, 0, 1000))


@pytest.fixture
def impatient(said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(say=said.append, patience=PATIENCE)
    yield made
    made.end_all(grace=lambda _stage: 1)


def add_parrot(supervisor: Supervisor, folder: Path) -> None:
    """A program that says that it is alive unless there is a file `hung`, and that is never ready.

    With a file `stuck` beside it, it falls silent after the head of its answer.
    """
    (port,) = pick_free(1)
    script = f"""
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

class Probes(BaseHTTPRequestHandler):
    def do_GET(self):
        alive = self.path == "/livez" and not Path("hung").exists()
        self.send_response(200 if alive else 503)
        self.end_headers()
        while Path("stuck").exists() and not alive:
            time.sleep(0.1)
        self.wfile.write(b"serving" if alive else b"has not come round")

HTTPServer(("127.0.0.1", {port}), Probes).serve_forever()
"""
    parrot = program(folder, "", command=(sys.executable, "-u", "-c", script))
    supervisor.add(parrot, livez=f"http://127.0.0.1:{port}/livez")


def test_one_that_says_it_is_not_alive_is_killed_and_started_again(
    impatient: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    add_parrot(impatient, tmp_path)
    first = impatient.running()["parrot"]
    keeping(impatient, lambda: "GET /livez" in (tmp_path / "parrot.log").read_text())
    (tmp_path / "hung").touch()
    keeping(impatient, lambda: said != [])
    (tmp_path / "hung").unlink()
    keeping(impatient, lambda: impatient.running().get("parrot", first) != first)
    assert "parrot hangs and is killed" in said[0]
    assert "has not come round" in said[0]
    assert impatient.restarts() == {"parrot": 1}


def test_one_that_says_nothing_any_more_is_killed_and_started_again(
    impatient: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    add_parrot(impatient, tmp_path)
    first = impatient.running()["parrot"]
    keeping(impatient, lambda: "GET /livez" in (tmp_path / "parrot.log").read_text())
    os.kill(first.pid, signal.SIGSTOP)
    keeping(impatient, lambda: impatient.running().get("parrot", first) != first)
    assert "does not answer" in said[0]


def test_one_that_falls_silent_in_the_midst_of_its_answer_is_killed_and_started_again(
    impatient: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    add_parrot(impatient, tmp_path)
    first = impatient.running()["parrot"]
    keeping(impatient, lambda: "GET /livez" in (tmp_path / "parrot.log").read_text())
    (tmp_path / "stuck").touch()
    (tmp_path / "hung").touch()
    keeping(impatient, lambda: impatient.running().get("parrot", first) != first)
    assert "does not answer" in said[0]


def test_one_that_only_waits_for_others_is_left_alone(impatient: Supervisor, tmp_path: Path, said: list[str]) -> None:
    add_parrot(impatient, tmp_path)
    keeping(impatient, lambda: (tmp_path / "parrot.log").read_text().count("GET /livez") > 2 * PATIENCE.bad_answers)
    assert said == []


def test_one_that_hangs_again_and_again_is_started_less_and_less_often(
    impatient: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    (tmp_path / "hung").touch()
    add_parrot(impatient, tmp_path)
    keeping(impatient, lambda: len(said) == 2 and impatient.running() == {}, timeout=60)
    assert impatient.restarts() == {"parrot": 1}
