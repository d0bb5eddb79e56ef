"""Keeps programs alive until it is told to stop. Why it is our own: docs/decisions/0002-supervision.md."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import DeployError
from deploy.programs import Identity, Program, end_session, identity_of, start

#: Seconds between two looks at the programs.
_TICK = 0.1
#: A program that lived for that many seconds is started again at once when it dies.
_GROWN_UP = 5.0
#: Seconds before a program is started again that died young: after the first time, the second, ... and ever after.
_DELAYS = (0.0, 0.5, 1.0, 2.0, 3.0)
#: A log over that many bytes is put aside when its program is first started.
_LOG_LIMIT = 10_000_000


class StopRequested(BaseException):
    """Somebody wants the system to stop while it waits for something else. No error: nothing should catch it."""


@dataclass
class _Kept:
    program: Program
    may_start: Callable[[], bool]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    early_deaths: int = 0


class Supervisor:
    """Programs in the order in which they were added, each in a stage; later stages are ended first."""

    def __init__(self, *, on_change: Callable[[], None] = lambda: None, say: Callable[[str], None] = print) -> None:
        """Take what is called after a program got a new process, and what tells people."""
        self._kept: dict[str, _Kept] = {}
        self._stages: dict[str, int] = {}
        self._on_change = on_change
        self._say = say
        self._stop = threading.Event()
        self._watched: list[Callable[[], bool]] = []

    def stop_on_signals(self) -> None:
        """Stop at Ctrl-C, SIGTERM and, unless we run under nohup, when the terminal is closed."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda *_: self.request_stop())

    def stop_when(self, condition: Callable[[], bool]) -> None:
        """Stop as soon as this is true; it is asked at every tick."""
        self._watched.append(condition)

    def request_stop(self) -> None:
        """Have `run` return and every wait end with StopRequested. Safe in signal handlers and other threads."""
        self._stop.set()

    def add(self, program: Program, *, stage: int = 0, may_start: Callable[[], bool] = lambda: True) -> None:
        """Start the program and keep it alive. It is started only when `may_start` says so, as often as it takes."""
        if program.name in self._kept:
            raise ValueError(f"{program.name} is looked after already")
        _put_aside(program.log)
        self._stages[program.name] = stage
        self._kept[program.name] = _Kept(program, may_start)
        self._look_after(self._kept[program.name])

    def running(self) -> dict[str, Identity]:
        """Return the processes that run now, by name."""
        identities = {
            name: identity_of(kept.process.pid)
            for name, kept in self._kept.items()
            if kept.process is not None and kept.process.poll() is None
        }
        return {name: identity for name, identity in identities.items() if identity is not None}

    def run(self) -> None:
        """Keep everything alive until a stop is requested."""
        while not self._stopping():
            self._tick()

    def wait_for(self, what: str, condition: Callable[[], bool], *, timeout: float) -> None:
        """Keep everything alive until the condition holds. Raises DeployError at the deadline, or StopRequested."""
        deadline = time.monotonic() + timeout
        while not condition():
            if self._stopping():
                raise StopRequested
            if time.monotonic() > deadline:
                raise DeployError(f"{what} took longer than {timeout:.0f} s.")
            self._tick()

    def end_all(self, *, grace: Callable[[int], float]) -> None:
        """End everything, the highest stage first; each stage gets `grace(stage)` seconds before it is killed."""
        for stage in sorted(set(self._stages.values()), reverse=True):
            members = [kept for name, kept in self._kept.items() if self._stages[name] == stage]
            _end([kept for kept in members if kept.process is not None], grace(stage))
        self._kept.clear()
        self._stages.clear()

    def _stopping(self) -> bool:
        if any(condition() for condition in self._watched):
            self._stop.set()
        return self._stop.is_set()

    def _tick(self) -> None:
        for kept in list(self._kept.values()):
            self._look_after(kept)
        self._stop.wait(_TICK)

    def _look_after(self, kept: _Kept) -> None:
        now = time.monotonic()
        if kept.process is not None:
            code = kept.process.poll()
            if code is None:
                return
            self._bury(kept, code, now)
        if now >= kept.due and kept.may_start():
            kept.process = start(kept.program)
            kept.started = now
            self._on_change()

    def _bury(self, kept: _Kept, code: int, now: float) -> None:
        assert kept.process is not None  # noqa: S101 -- the caller has looked
        kept.early_deaths = 0 if now - kept.started >= _GROWN_UP else kept.early_deaths + 1
        delay = _DELAYS[min(kept.early_deaths, len(_DELAYS) - 1)]
        kept.due = now + delay
        end_session(kept.process.pid)
        kept.process = None
        if kept.early_deaths > 1 and kept.early_deaths % 20:
            return  # it has been said
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        self._say(f"{kept.program.name} {how}; it is started again. Its log: {kept.program.log}")


def _end(kept: list[_Kept], grace: float) -> None:
    processes = [(one.program, one.process) for one in kept if one.process is not None]
    for program, process in processes:
        if process.poll() is None:
            process.send_signal(program.stop_signal)
    deadline = time.monotonic() + grace
    for _, process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        end_session(process.pid)


def _put_aside(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_name(log.name + ".1"))
