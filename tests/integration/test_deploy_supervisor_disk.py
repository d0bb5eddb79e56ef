"""Logs stay small, and a disk that is full or cannot be written to ends nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from deploy.lock import StateLock
from deploy.logs import LIMIT, rotate_if_large
from deploy.settings import REPOSITORY, load_deployment
from deploy.supervisor import Supervisor
from deploy.system import System
from tests.integration.supervisor_house import keeping, program
from tests.waiting import eventually


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(say=said.append)
    yield made
    made.end_all(grace=lambda _stage: 1)


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """Not in pytest's own temporary folder: the users that the servers run as cannot reach that one."""
    folder = Path(tempfile.mkdtemp(prefix="ates-supervisor-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def small_disk(state_dir: Path) -> Iterator[Path]:
    """A state folder on a disk of 16 MB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "none", state_dir], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"we may not mount a small disk: {mounted.stderr}")
    yield state_dir
    subprocess.run(["umount", "--lazy", state_dir], check=True)


def fill(disk: Path) -> None:
    with (disk / "filler").open("ab", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))


def noted(state_dir: Path) -> set[int]:
    """The processes that a successor will know of."""
    return {one["pid"] for one in json.loads((state_dir / "processes.json").read_text())["processes"]}


def test_a_large_log_is_rotated_before_the_start(supervisor: Supervisor, tmp_path: Path) -> None:
    with (tmp_path / "parrot.log").open("wb") as log:
        log.truncate(11_000_000)
    supervisor.add(program(tmp_path, "echo squawk; exec sleep 1000"))
    eventually(lambda: (tmp_path / "parrot.log").read_text() == "squawk\n")
    assert (tmp_path / "parrot.log.1").stat().st_size == 11_000_000


def test_a_log_that_grows_large_is_rotated_while_its_program_goes_on_writing(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    script = "yes squawk | head -c 11000000; while [ ! -e go ]; do sleep 0.05; done; echo more; exec sleep 1000"
    supervisor.add(program(tmp_path, script))
    keeping(supervisor, (tmp_path / "parrot.log.1").exists)
    assert (tmp_path / "parrot.log.1").stat().st_size + (tmp_path / "parrot.log").stat().st_size == 11_000_000
    size = (tmp_path / "parrot.log").stat().st_size
    (tmp_path / "go").touch()
    eventually(lambda: (tmp_path / "parrot.log").stat().st_size == size + len("more\n"))


def test_a_few_old_logs_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "parrot.log"
    for number in range(1, 6):
        log.write_bytes(b"%d" % number + bytes(LIMIT))
        rotate_if_large(log)
        rotate_if_large(log)  # it is small now
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parrot.log", *(f"parrot.log.{n}" for n in (1, 2, 3))]
    assert [(tmp_path / f"parrot.log.{n}").read_bytes()[:1] for n in (1, 2, 3)] == [b"5", b"4", b"3"]


def test_a_full_disk_ends_nothing_and_what_runs_is_written_down_when_there_is_room_again(
    small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = StateLock(small_disk)
    lock.acquire()
    system = System(load_deployment({"ATES_STATE_DIR": str(small_disk)}), lock)
    supervisor = system.supervisor
    supervisor.add(program(small_disk, "exec sleep 1000"))
    first = supervisor.running()["parrot"]

    fill(small_disk)
    os.kill(first.pid, signal.SIGKILL)
    keeping(supervisor, lambda: supervisor.running().get("parrot", first) != first)
    supervisor.add(program(small_disk, "exec sleep 1000", "another"))
    keeping(supervisor, lambda: "No space left" in capsys.readouterr().out)
    assert noted(small_disk) == {first.pid}

    (small_disk / "filler").unlink()
    keeping(supervisor, lambda: noted(small_disk) == {one.pid for one in supervisor.running().values()})
    assert "Writing down what runs succeeded" in capsys.readouterr().out

    fill(small_disk)
    everybody = list(supervisor.running().values())
    system.bring_down()
    lock.release()
    assert not [one for one in everybody if one.is_alive()]


def test_who_starts_on_a_full_disk_is_told_so(small_disk: Path) -> None:
    (small_disk / "up.lock").touch()
    fill(small_disk)
    started = subprocess.run(
        [sys.executable, "-m", "deploy.up"],
        cwd=REPOSITORY,
        env=os.environ | {"ATES_STATE_DIR": str(small_disk)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = f"Nothing can be written to the state folder {small_disk}: No space left on device"
    assert (started.returncode, started.stderr.strip()) == (1, said)


def test_a_full_disk_gets_room_from_a_large_log_even_if_the_log_cannot_be_kept(small_disk: Path) -> None:
    log = small_disk / "parrot.log"
    log.write_bytes(bytes(LIMIT + 1))
    fill(small_disk)
    with pytest.raises(OSError, match=r"parrot\.log is cut"):
        rotate_if_large(log)
    assert log.stat().st_size == 0
    (small_disk / "run.json").write_text("there is room again")


def test_everything_ends_even_when_the_state_folder_cannot_be_changed(state_dir: Path) -> None:
    lock = StateLock(state_dir)
    lock.acquire()
    system = System(load_deployment({"ATES_STATE_DIR": str(state_dir)}), lock)
    system.supervisor.add(program(state_dir, "exec sleep 1000"))
    process = system.supervisor.running()["parrot"]
    (state_dir / "run.json").mkdir()
    with pytest.raises(IsADirectoryError):
        system.bring_down()
    assert not process.is_alive()
    lock.release()


def test_a_program_that_cannot_be_started_for_now_is_started_later_and_people_are_told_once(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    folder, tries = tmp_path / "logs", [0]
    folder.touch()  # is in the way

    def may_start() -> bool:
        tries[0] += 1
        return True

    supervisor.add(program(tmp_path, "exec sleep 1000", log=folder / "parrot.log"), may_start=may_start)
    keeping(supervisor, lambda: tries[0] == 3)
    assert len(said) == 1
    assert "Looking after parrot failed" in said[0]
    folder.unlink()
    keeping(supervisor, lambda: "parrot" in supervisor.running())


def test_a_terminal_that_is_gone_ends_nothing() -> None:
    script = "from deploy.console import say; say('squawk'); import os; os._exit(3)"
    with Path("/dev/full").open("wb") as full:
        assert subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, stdout=full, check=False).returncode == 3
