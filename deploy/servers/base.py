"""What the two servers have in common."""

import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

from deploy.errors import DeployError
from deploy.programs import Program, start, stop

#: Seconds; a first start on a busy small machine can take half a minute.
START_TIMEOUT = 90.0


class Server(ABC):
    """A server with a folder of its own. `start` and `stop` are for those who have no supervisor, such as tests."""

    name: str

    def __init__(self, log: Path) -> None:
        """Take the file for what the server writes to its standard output and error."""
        self.log = log
        self._running: list[tuple[Program, subprocess.Popen[bytes]]] = []

    @abstractmethod
    def prepare(self) -> None:
        """Make the server's folder ready. What is there already is kept. Raises DeployError."""

    @abstractmethod
    def programs(self) -> tuple[Program, ...]:
        """Return what to run, in order; the last one is the server itself."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Tell whether the server serves."""

    def may_start(self) -> bool:
        """Clear away what a killed predecessor left; False as long as that is still on its way out."""
        return True

    def last_words(self) -> str:
        """Return the end of the log, for a person who wants to know why the server does not start."""
        return tail(self.log)

    def wait_until_ready(self, timeout: float = START_TIMEOUT) -> None:
        """Wait. Raises DeployError with the end of the server's log if it ends or the time does."""
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            ended = any(process.poll() is not None for _, process in self._running)
            if ended or time.monotonic() > deadline:
                raise DeployError(f"{self.name} did not start. The end of {self.log}:\n{self.last_words()}")
            time.sleep(0.05)

    def start(self) -> None:
        """Prepare, start and wait until it serves."""
        self.prepare()
        try:
            for program in self.programs():
                self._running.append((program, start(program)))
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self, *, grace: float = 10.0) -> None:
        """End it; does nothing if it does not run. A grace of 0 kills it, for data that nobody wants any more."""
        while self._running:
            program, process = self._running.pop()
            if grace == 0:
                process.kill()
            stop(program, process, grace=grace)


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log."""
    if not log.exists():
        return "(nothing)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
