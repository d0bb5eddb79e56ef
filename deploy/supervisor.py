"""Keeps programs alive until it is told to stop. Why it is our own: docs/decisions/0002-supervision.md."""

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from deploy.attempts import Attempts
from deploy.console import say as say_to_console
from deploy.errors import DeployError
from deploy.liveness import Patience, Watch
from deploy.logs import rotate_if_large
from deploy.programs import Identity, Program, end_session, identity_of, start

#: Seconds between two looks at the programs.
_TICK = 0.2
#: Seconds until what has failed on our own side, as on a full disk, is tried again.
_RETRY = 1.0
#: Seconds; a program that lived for so long has not died early. Longer than any of ours takes to come to what kills it.
_DEATHS_GROWN_UP = 60.0
#: Seconds until the next start of one that died late, early for the first time, the second, ... and ever after. What it
#: lacks may be back in a moment; and one that will never live must not take the processor from all others.
_AFTER_DEATHS = (0.0, 0.5, 1.0, 2.0, 3.0, 3.0, 3.0, 5.0, 10.0, 20.0, 30.0)
#: Early ends in a row from which on people are to know of it.
_AGAIN_AND_AGAIN = 5
#: Seconds between two looks at the sizes of the logs.
_LOGS_EVERY = 5.0


class StopRequested(BaseException):
    """Somebody wants the system to stop while it waits for something else. No error: nothing should catch it."""


@dataclass
class _Backoff:
    """How long to wait before a program is started again: the longer, the more often in a row it ended early."""

    #: Seconds; a program that lived for so long has not ended early.
    grown_up: float
    #: Seconds after a late end, the first early one, the second, ... and ever after.
    delays: tuple[float, ...]
    #: So many in a row.
    early_ends: int = 0

    def next_delay(self, lived: float) -> float:
        self.early_ends = 0 if lived >= self.grown_up else self.early_ends + 1
        return self.delays[min(self.early_ends, len(self.delays) - 1)]


@dataclass
class _Kept:
    program: Program
    may_start: Callable[[], bool]
    #: Where it tells whether it is alive, if it does.
    livez: str | None
    hangs: _Backoff
    deaths: _Backoff = field(default_factory=lambda: _Backoff(_DEATHS_GROWN_UP, _AFTER_DEATHS))
    process: subprocess.Popen[bytes] | None = None
    watch: Watch | None = None
    has_hung: bool = False
    starts: int = 0
    started: float = 0.0
    due: float = 0.0


class Supervisor:
    """Programs in the order in which they were added, each in a stage; later stages are ended first."""

    def __init__(
        self,
        *,
        on_change: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = say_to_console,
        patience: Patience = Patience(),  # noqa: B008 -- it cannot change
    ) -> None:
        """Take what is called after a program got a new process, until it succeeds, and what tells people."""
        self._kept: dict[str, _Kept] = {}
        self._stages: dict[str, int] = {}
        self._on_change = on_change
        self._change_due: float | None = None
        self._logs_due = 0.0
        self._say = say
        self._patience = patience
        self._attempts = Attempts(say)
        #: No Event: a signal's handler that sets it may have interrupted somebody who holds its lock.
        self._stop = False
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
        self._stop = True

    def add(
        self,
        program: Program,
        *,
        stage: int = 0,
        may_start: Callable[[], bool] = lambda: True,
        livez: str | None = None,
    ) -> None:
        """Start the program and keep it alive. It is started only when `may_start` says so, as often as it takes.

        `livez` is the address where it tells whether it is alive: one that is not is killed and started again.
        """
        if program.name in self._kept:
            raise ValueError(f"{program.name} is looked after already")
        self._stages[program.name] = stage
        self._kept[program.name] = kept = _Kept(
            program, may_start, livez, hangs=_Backoff(self._patience.grown_up, self._patience.restart_delays)
        )
        self._rotate(kept)
        self._look_after(kept)
        self._tell_of_change()

    def tell_of_change(self) -> None:
        """Call `on_change` now, and if that fails, until it succeeds."""
        self._change_due = time.monotonic()
        self._tell_of_change()

    def running(self) -> dict[str, Identity]:
        """Return the processes that run now, by name."""
        identities = {
            name: identity_of(kept.process.pid)
            for name, kept in self._kept.items()
            if kept.process is not None and kept.process.poll() is None
        }
        return {name: identity for name, identity in identities.items() if identity is not None}

    def restarts(self) -> dict[str, int]:
        """Return how often each program was started again, of those that were."""
        return {name: kept.starts - 1 for name, kept in self._kept.items() if kept.starts > 1}

    def ending_again_and_again(self) -> dict[str, int]:
        """Return how often in a row a program has ended or hung soon after its start; those that go on doing so."""
        early_ends = {name: kept.deaths.early_ends + kept.hangs.early_ends for name, kept in self._kept.items()}
        return {name: count for name, count in early_ends.items() if count >= _AGAIN_AND_AGAIN}

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
            for kept in members:
                _stop_watching(kept)
            _end([kept for kept in members if kept.process is not None], grace(stage))
        self._kept.clear()
        self._stages.clear()

    def _stopping(self) -> bool:
        if any(condition() for condition in self._watched):
            self._stop = True
        return self._stop

    def _tick(self) -> None:
        for kept in list(self._kept.values()):
            self._look_after(kept)
        self._tell_of_change()
        if time.monotonic() >= self._logs_due:
            self._logs_due = time.monotonic() + _LOGS_EVERY
            for kept in self._kept.values():
                self._rotate(kept)
        time.sleep(_TICK)

    def _look_after(self, kept: _Kept) -> None:
        if kept.process is None and time.monotonic() < kept.due:
            return
        if not self._attempts.succeed(f"Looking after {kept.program.name}", lambda: self._keep_alive(kept)):
            kept.due = time.monotonic() + _RETRY

    def _tell_of_change(self) -> None:
        if self._change_due is None or time.monotonic() < self._change_due:
            return
        written = self._attempts.succeed("Writing down what runs", self._on_change)
        self._change_due = None if written else time.monotonic() + _RETRY

    def _rotate(self, kept: _Kept) -> None:
        log = kept.program.log
        self._attempts.succeed(f"The rotation of {log}", lambda: rotate_if_large(log))

    def _keep_alive(self, kept: _Kept) -> None:
        now = time.monotonic()
        if kept.process is not None:
            code = kept.process.poll()
            if code is None:
                self._kill_if_hung(kept)
                self._note_growing_up(kept, now)
                return
            self._bury(kept, code, now)
        if now >= kept.due and kept.may_start():
            kept.process = start(kept.program)
            kept.started = now
            kept.starts += 1
            self._change_due = now

    def _note_growing_up(self, kept: _Kept, now: float) -> None:
        """One that has lived for long enough does not end again and again any more, which people are to know, too."""
        for backoff in (kept.deaths, kept.hangs):
            if backoff.early_ends and not kept.has_hung and now - kept.started >= backoff.grown_up:
                if backoff.early_ends >= _AGAIN_AND_AGAIN:
                    self._say(f"{kept.program.name} stays alive at last.")
                    self._change_due = now
                backoff.early_ends = 0

    def _kill_if_hung(self, kept: _Kept) -> None:
        assert kept.process is not None  # noqa: S101 -- the caller has looked
        if kept.livez is None or kept.has_hung:
            return
        if kept.watch is None:
            kept.watch = Watch(kept.livez, self._patience)
        complaint = kept.watch.complaint()
        if complaint is not None:
            kept.has_hung = True
            kept.process.kill()
            self._say(f"{kept.program.name} hangs and is killed: {complaint}. Its log: {kept.program.log}")

    def _bury(self, kept: _Kept, code: int, now: float) -> None:
        assert kept.process is not None  # noqa: S101 -- the caller has looked
        backoff = kept.hangs if kept.has_hung else kept.deaths
        kept.due = now + backoff.next_delay(now - kept.started)
        end_session(kept.process.pid)
        kept.process, kept.has_hung = None, False
        _stop_watching(kept)
        if backoff is kept.deaths and (backoff.early_ends <= 1 or backoff.early_ends % _AGAIN_AND_AGAIN == 0):
            self._say_how_it_ended(kept, code)

    def _say_how_it_ended(self, kept: _Kept, code: int) -> None:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        early = kept.deaths.early_ends
        again = f", soon after its start, for the {early}th time in a row" if early >= _AGAIN_AND_AGAIN else ""
        self._say(f"{kept.program.name} {how}{again}; it is started again. Its log: {kept.program.log}")


def _stop_watching(kept: _Kept) -> None:
    if kept.watch is not None:
        kept.watch.end()
        kept.watch = None


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
