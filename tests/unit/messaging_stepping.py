"""Programs that run one step at a time: the test decides who goes on, and who is killed where it stands."""

import threading
from collections.abc import Callable
from typing import Protocol

_PATIENCE = 120.0
_running = threading.local()


class Killed(BaseException):
    """The process of this program ends here, without a word."""


class Connection(Protocol):
    """What a program loses with its life."""

    def lose(self) -> None:
        """Lose the connection."""


class Program:
    """Runs a function on a thread of its own, but only from one `pause` to the next: all others stand still."""

    def __init__(self, run: Callable[[threading.Event], None]) -> None:
        """Take what to run; nothing is run before the first step."""
        self._go = threading.Semaphore(0)
        self._stands = threading.Semaphore(0)
        self._error: BaseException | None = None
        self._killed = False
        self.ended = False
        self.stop = _Stop()
        self.connections: list[Connection] = []
        self._thread = threading.Thread(target=self._live, args=(run,), daemon=True)
        self._thread.start()

    def step(self) -> None:
        """Let it go on up to its next pause."""
        self._go_on()
        if self._error is not None:
            raise self._error

    def kill(self) -> None:
        """End it where it stands; its connections are lost first, so that it cannot say goodbye."""
        for connection in self.connections:
            connection.lose()
        self._killed = True
        self._go_on()
        self._thread.join()

    def _go_on(self) -> None:
        if not self.ended:
            self._go.release()
            assert self._stands.acquire(timeout=_PATIENCE), "a program neither pauses nor ends"

    def pause(self) -> None:
        """Wait for the next step."""
        if not self._killed:
            self._stands.release()
            self._go.acquire()
        if self._killed:
            raise Killed

    def _live(self, run: Callable[[threading.Event], None]) -> None:
        _running.program = self
        self._go.acquire()
        try:
            if not self._killed:
                run(self.stop)
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 (raised again where the test waits)
            self._error = error
        self.ended = True
        self._stands.release()


class _Stop(threading.Event):
    """Waits for no time to pass, but for the next step."""

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002
        pause()
        return self.is_set()


def program() -> Program:
    """Return the program that runs now."""
    found = _running.program
    assert isinstance(found, Program)
    return found


def pause() -> None:
    """A point at which others may go on, and at which this program may be killed."""
    program().pause()
