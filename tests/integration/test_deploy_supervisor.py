"""Programs are kept alive, and nothing of them is left in the end."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from deploy.errors import DeployError
from deploy.lock import StateLock
from deploy.ports import is_free, pick_free, require_free
from deploy.programs import Identity, boot_id, identity_of, start, stop
from deploy.settings import REPOSITORY
from deploy.supervisor import StopRequested, Supervisor
from tests.integration.supervisor_house import keeping, program
from tests.waiting import eventually


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def changes() -> list[float]:
    """When a program got a new process."""
    return []


@pytest.fixture
def supervisor(said: list[str], changes: list[float]) -> Iterator[Supervisor]:
    made = Supervisor(on_change=lambda: changes.append(time.monotonic()), say=said.append)
    yield made
    made.end_all(grace=lambda _stage: 1)


def test_a_killed_program_runs_again(
    supervisor: Supervisor, tmp_path: Path, said: list[str], changes: list[float]
) -> None:
    supervisor.add(program(tmp_path, "exec sleep 1000"))
    first = supervisor.running()["parrot"]
    os.kill(first.pid, signal.SIGKILL)
    keeping(supervisor, lambda: supervisor.running().get("parrot", first) != first)
    assert len(changes) == 2
    assert "parrot was ended by SIGKILL" in said[0]


def test_a_program_that_cannot_live_is_tried_for_ever_but_not_in_a_rush(
    supervisor: Supervisor, tmp_path: Path, changes: list[float]
) -> None:
    supervisor.add(program(tmp_path, "exit 3"))
    keeping(supervisor, lambda: len(changes) == 6, timeout=60)
    *_, last = (later - earlier for earlier, later in pairwise(changes))
    assert last > 2.5


def test_a_program_that_ends_again_and_again_is_named_until_it_stays_alive(
    supervisor: Supervisor, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.supervisor._AFTER_DEATHS", (0.0,))
    monkeypatch.setattr("deploy.supervisor._DEATHS_GROWN_UP", 1.0)
    supervisor.add(program(tmp_path, "[ -e mended ] || exit 3; exec sleep 1000"))
    assert supervisor.ending_again_and_again() == {}
    keeping(supervisor, lambda: supervisor.ending_again_and_again() != {})
    assert supervisor.ending_again_and_again()["parrot"] >= 5
    assert "soon after its start, for the 5th time in a row" in said[-1]
    (tmp_path / "mended").touch()
    keeping(supervisor, lambda: supervisor.ending_again_and_again() == {})
    assert said[-1] == "parrot stays alive at last."


def test_a_program_that_ends_some_seconds_after_each_start_ends_again_and_again(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FastClock:
        """At each look six seconds have passed."""

        now = 0.0

        def monotonic(self) -> float:
            return self.now

        def sleep(self, seconds: float) -> None:
            time.sleep(seconds)
            self.now += 6

    monkeypatch.setattr("deploy.supervisor.time", FastClock())
    supervisor.add(program(tmp_path, "exit 3"))
    keeping(supervisor, lambda: supervisor.ending_again_and_again() != {}, timeout=600)


def test_no_process_left_for_a_new_program_ends_nothing_and_it_is_started_when_there_is_one(
    supervisor: Supervisor, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor.add(program(tmp_path, "exec sleep 1000", "older"))
    older = supervisor.running()["older"]
    with monkeypatch.context() as full:

        def refuse(*_: object, **__: object) -> None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

        full.setattr(subprocess, "Popen", refuse)
        supervisor.add(program(tmp_path, "exec sleep 1000"))
        keeping(supervisor, lambda: said != [])
        assert supervisor.running() == {"older": older}
    keeping(supervisor, lambda: "parrot" in supervisor.running())
    assert supervisor.running()["older"] == older
    assert "Resource temporarily unavailable" in said[0]


def test_what_a_dead_program_started_does_not_stay(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.add(program(tmp_path, "sleep 1000 & echo $! > child; exec sleep 1000"))
    eventually(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip())
    child = identity_of(int((tmp_path / "child").read_text()))
    assert child is not None
    first = supervisor.running()["parrot"]
    os.kill(first.pid, signal.SIGKILL)
    keeping(supervisor, lambda: supervisor.running().get("parrot", first) != first)
    eventually(lambda: not child.is_alive())


def test_a_program_is_not_started_before_it_may(supervisor: Supervisor, tmp_path: Path) -> None:
    answers = iter([False, False, True])
    supervisor.add(program(tmp_path, "exec sleep 1000"), may_start=lambda: next(answers))
    assert supervisor.running() == {}
    keeping(supervisor, lambda: "parrot" in supervisor.running())


def test_a_name_is_given_once_so_that_no_process_is_forgotten(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.add(program(tmp_path, "exec sleep 1000"))
    with pytest.raises(ValueError, match="parrot is looked after already"):
        supervisor.add(program(tmp_path, "exec sleep 1000"))


def test_later_stages_end_first_and_who_does_not_listen_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.add(program(tmp_path, "trap 'date +%s%N > server; exit' TERM; while :; do sleep 0.05; done", "server"))
    deaf = "trap '' TERM; touch deaf; while :; do sleep 0.05; done"
    supervisor.add(program(tmp_path, deaf, "deaf"), stage=1)
    client = "trap 'sleep 0.3; date +%s%N > client; exit' TERM; touch ready; while :; do sleep 0.05; done"
    supervisor.add(program(tmp_path, client, "client"), stage=1)
    eventually(lambda: (tmp_path / "ready").exists() and (tmp_path / "deaf").exists())
    everybody = list(supervisor.running().values())
    supervisor.end_all(grace=lambda _stage: 5)
    assert int((tmp_path / "client").read_text()) < int((tmp_path / "server").read_text())
    assert not [one for one in everybody if one.is_alive()]


def test_a_wait_ends_when_a_stop_is_requested(supervisor: Supervisor) -> None:
    threading.Timer(0.2, supervisor.request_stop).start()
    with pytest.raises(StopRequested):
        supervisor.wait_for("nothing", lambda: False, timeout=10)


def test_a_wait_that_takes_too_long_says_what_was_waited_for(supervisor: Supervisor) -> None:
    with pytest.raises(DeployError, match="The start of the parrot took longer"):
        supervisor.wait_for("The start of the parrot", lambda: False, timeout=0.2)


def test_programs_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    script = f"""
import signal
from pathlib import Path
from deploy.programs import Program, start
folder = Path({str(tmp_path)!r})
command = ("sh", "-c", "touch ready; exec sleep 1000")
started = start(Program(name="p", command=command, environment={{"PATH": {os.environ["PATH"]!r}}},
                        directory=folder, log=folder / "p.log"))
print(started.pid, flush=True)
signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", script], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = identity_of(int(parent.stdout.readline()))
        eventually((tmp_path / "ready").exists)  # setpriv has asked for the signal by then
        parent.kill()
    assert child is not None
    eventually(lambda: not child.is_alive())


def test_two_systems_do_not_share_a_state_folder(tmp_path: Path) -> None:
    first, second = StateLock(tmp_path), StateLock(tmp_path)
    first.acquire()
    with pytest.raises(DeployError, match=f"running already .process {os.getpid()}"):
        second.acquire()
    first.release()
    third = StateLock(tmp_path)
    third.acquire()
    third.release()


def test_who_comes_while_the_other_stops_waits_for_it(tmp_path: Path) -> None:
    first, second = StateLock(tmp_path), StateLock(tmp_path)
    first.acquire()
    first.say_stopping()
    threading.Timer(0.4, first.release).start()
    second.acquire()
    second.release()


def test_who_comes_in_the_moment_in_which_the_other_lets_go_waits_for_it_too(tmp_path: Path) -> None:
    first, second = StateLock(tmp_path), StateLock(tmp_path)
    first.acquire()
    (tmp_path / "up.json").unlink()
    threading.Timer(0.4, first.release).start()
    second.acquire()
    second.release()


def test_what_a_killed_predecessor_left_is_ended_and_a_stranger_with_its_number_is_not(tmp_path: Path) -> None:
    orphan = start(program(tmp_path, "exec sleep 1000"))
    stranger = start(program(tmp_path, "exec sleep 1000"))
    known = identity_of(orphan.pid)
    assert known is not None
    lock = StateLock(tmp_path)
    lock.acquire()
    lock.record([known, Identity(stranger.pid, started=1)])
    threading.Timer(0.2, orphan.terminate).start()
    lock.end_orphans()
    assert orphan.wait(5) == -signal.SIGTERM
    assert stranger.poll() is None
    stop(program(tmp_path, ""), stranger, grace=1)
    lock.release()


def test_after_a_reboot_nothing_is_an_orphan_whatever_bears_its_number_and_start(tmp_path: Path) -> None:
    stranger = start(program(tmp_path, "exec sleep 1000"))
    known = identity_of(stranger.pid)
    assert known is not None
    lock = StateLock(tmp_path)
    lock.acquire()
    lock.record([known])
    record = tmp_path / "processes.json"
    record.write_text(record.read_text().replace(boot_id(), "00000000-0000-0000-0000-000000000000"))
    lock.end_orphans()
    assert stranger.poll() is None
    assert not record.exists()
    stop(program(tmp_path, ""), stranger, grace=1)
    lock.release()


@pytest.mark.parametrize("left", ["", '[{"pid": 1, "started": 1}]'], ids=["cut by a loss of power", "without a boot"])
def test_a_list_of_orphans_that_tells_nothing_keeps_nobody_from_starting(tmp_path: Path, left: str) -> None:
    lock = StateLock(tmp_path)
    lock.acquire()
    (tmp_path / "processes.json").write_text(left)
    lock.end_orphans()
    lock.release()


def test_a_taken_port_is_named_with_the_variable_that_changes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(DeployError, match=rf"Port {port} is already taken.*ATES_PORT_TRACKER=<port> make up"):
            require_free({"ATES_PORT_TRACKER": port})


def test_a_port_given_to_two_is_refused() -> None:
    (port,) = pick_free(1)
    with pytest.raises(DeployError, match="ATES_PG_PORT and ATES_PORT_AUTH are both"):
        require_free({"ATES_PORT_AUTH": port, "ATES_PG_PORT": port})


def test_free_ports_are_different_and_not_those_to_avoid() -> None:
    first = pick_free(50)
    assert len(set(first)) == 50
    assert not set(pick_free(50, avoid=first)) & set(first)
