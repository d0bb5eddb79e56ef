"""Waiting for what happens elsewhere: by looking again and again."""

import time
from collections.abc import Callable
from typing import TypeVar

from deploy.errors import DeployError

T = TypeVar("T")

_PATIENCE = 60
_PAUSE = 0.05


def until(what: str, look: Callable[[], T | None]) -> T:
    """Return what `look` finds, once it does. Raises DeployError, saying what did not happen, after a minute."""
    deadline = time.monotonic() + _PATIENCE
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise DeployError(f"It took more than a minute until {what}, see `./ates status`.")
        time.sleep(_PAUSE)
    return found
