"""A program that runs beside us: how it is started and how it is ended, with whatever it left behind."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from deploy.accounts import become


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, where and as whom."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    #: Its standard output and error go here.
    log: Path
    #: Its standard output goes here if it is not to be mixed with what it says about itself.
    output: Path | None = None
    #: The user of the operating system; None is the current one.
    account: str | None = None
    #: Asks it to end in an orderly way.
    stop_signal: signal.Signals = signal.SIGTERM


@dataclass(frozen=True)
class Identity:
    """A process, told apart from a later one with the same number by its start time in clock ticks since boot.

    What is kept over a reboot needs `boot_id` beside it.
    """

    pid: int
    started: int

    def is_alive(self) -> bool:
        """Tell whether this very process still runs; one that is dead but not yet reaped does not."""
        stat = _stat(self.pid)
        return stat is not None and stat.started == self.started and stat.state != "Z"


def start(program: Program) -> subprocess.Popen[bytes]:
    """Start the program in a session of its own, so that Ctrl-C in our terminal does not reach it.

    It gets its stop signal when we die, however we die (PR_SET_PDEATHSIG): no orphans.
    """
    program.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    deathsig = ["setpriv", f"--pdeathsig={program.stop_signal.name.removeprefix('SIG')}", "--"]
    # The user is changed first: the kernel forgets the death signal when the user changes.
    command = [*become(program.account), *deathsig, *program.command]
    with ExitStack() as files:
        log = files.enter_context(program.log.open("ab"))
        output = log if program.output is None else files.enter_context(program.output.open("wb"))
        return subprocess.Popen(
            command,
            cwd=program.directory,
            env=dict(program.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=log,
            start_new_session=True,
        )


def stop(program: Program, process: subprocess.Popen[bytes], *, grace: float) -> None:
    """Ask the program to end, and kill it after that many seconds."""
    if process.poll() is None:
        process.send_signal(program.stop_signal)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    end_session(process.pid)


def identity_of(pid: int) -> Identity | None:
    """Return who the process is, None if there is none."""
    stat = _stat(pid)
    return None if stat is None else Identity(pid, stat.started)


def boot_id() -> str:
    """Return what tells the time since this boot of the machine from the time since any other, see random(4)."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment with which the process was started. Raises OSError if there is none, or not for us."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(os.fsdecode(entry).split("=", 1) for entry in entries if entry)


def end_session(leader: int) -> None:
    """Kill what is left of the session that this process was the leader of, as the workers of a dead master."""
    for pid in processes():
        stat = _stat(pid)
        if stat is not None and stat.session == leader and stat.state != "Z":
            kill(pid)


def kill(pid: int) -> None:
    """Kill the process; one that has ended meanwhile is no error."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def processes() -> Iterator[int]:
    """Return the ids of all processes that can be seen."""
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def processes_working_in(folder: Path) -> list[int]:
    """Return the processes whose working directory is this folder: Postgres's children, among others."""
    found = []
    for pid in processes():
        try:
            if Path(f"/proc/{pid}/cwd").readlink() == folder:
                found.append(pid)
        except OSError:  # ended meanwhile, or of another user
            continue
    return found


def wait_until_ended(identities: list[Identity], timeout: float) -> list[Identity]:
    """Wait for processes that are not our children; return those that still run when the time is over."""
    deadline = time.monotonic() + timeout
    while (alive := [one for one in identities if one.is_alive()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


@dataclass(frozen=True)
class _Stat:
    state: str
    session: int
    started: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # "pid (name, which may hold anything) state ppid pgrp session ... starttime", see proc(5)
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(state=fields[0], session=int(fields[3]), started=int(fields[19]))
