"""`make` passes SIGTERM on to what it runs, but neither SIGINT nor, of course, SIGKILL."""

import os
import signal
from collections.abc import Callable
from pathlib import Path


def has_given_up() -> Callable[[], bool]:
    """Return a condition: the process that is our parent now has ended, or is waiting for us because of a SIGINT.

    make, told to stop by a SIGINT to it alone, resets its handler of that signal and then waits for its children.
    """
    parent = os.getppid()
    caught_at_first = _catches_sigint(parent)

    def condition() -> bool:
        return os.getppid() != parent or (caught_at_first is True and _catches_sigint(parent) is False)

    return condition


def _catches_sigint(pid: int) -> bool | None:
    """None if that cannot be found out: the process has ended, or we have too many files open."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) & (1 << (signal.SIGINT - 1)))
