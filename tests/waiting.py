"""Waiting for something that happens elsewhere: by looking again and again until a deadline, never by a fixed sleep."""

import time
from collections.abc import Callable
from typing import Literal, TypeVar

from sqlalchemy import Engine

T = TypeVar("T")

#: Seconds after which nobody believes in it any more. A busy machine takes minutes for what a quiet one does at once.
PATIENCE = 240.0

_WAITS_FOR_A_LOCK = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def eventually(check: Callable[[], T | Literal[False] | None], *, timeout: float = PATIENCE, every: float = 0.05) -> T:
    """Call `check` until it returns something true, and return that. Raises AssertionError at the deadline.

    An AssertionError or LookupError of `check` counts as "not yet"; the last one is shown at the deadline.
    """
    deadline = time.monotonic() + timeout
    why: Exception | None = None
    while True:
        try:
            found, why = check(), None
        except (AssertionError, LookupError) as error:
            why = error
        else:
            if found:
                return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s") from why
        time.sleep(every)


def somebody_waits_for_a_lock(engine: Engine) -> bool:
    """Tell whether a transaction in this database waits for another one."""
    with engine.connect() as connection:
        return connection.exec_driver_sql(_WAITS_FOR_A_LOCK).first() is not None
