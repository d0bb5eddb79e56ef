"""What interrupts the handling of events and is no failure of theirs: a stop, a replay, a database that is away."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from messaging.database import database_is_away
from messaging.errors import ReplayLost
from messaging.health import Health

_Done = TypeVar("_Done")

_log = logging.getLogger(__name__)

#: Seconds between two looks whether it is over.
_PAUSE = 0.5
#: `lock_not_available` and `deadlock_detected` (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_IN_THE_WAY = ("55P03", "40P01")


class Stopped(Exception):
    """The consumer was told to stop before the work was done: nothing of it may be acked."""


class Paused(Exception):
    """A replay is under way: everything that came another way has to wait for its end."""


class Contended(Exception):
    """Somebody else holds for long what this needs, or each had what the other needed."""


@contextmanager
def contention() -> Iterator[None]:
    """Tell apart in the block, in which no handler is called, that others were in the way."""
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) in _IN_THE_WAY:
            raise Contended(str(error.orig)) from error
        raise


def is_interruption(error: Exception) -> bool:
    """Tell whether the event has nothing to do with this error."""
    if isinstance(error, DBAPIError):
        return database_is_away(error)
    return isinstance(error, Stopped | Paused | Contended | ReplayLost)


class Patience:
    """Waits for the end of what can be waited for, and says what that is."""

    def __init__(self, service: str, stop: threading.Event, health: Health) -> None:
        """Take who waits, when not to wait any longer, and where to tell it."""
        self._service = service
        self._stop = stop
        self._health = health

    def until_done(self, work: Callable[[], _Done]) -> _Done:
        """Do the work, and again while the database is away or a replay is under way; return what came of it.

        Raises Stopped when stopped meanwhile.
        """
        while True:
            try:
                return work()
            except Paused as pause:
                self._wait("paused: a replay is under way", pause)
            except Contended as why:
                self._wait("waiting for somebody who changes the same rows", why)
            except DBAPIError as error:
                if not database_is_away(error):
                    raise
                self._wait("waiting for the database", error)

    def _wait(self, doing: str, why: Exception) -> None:
        if self._health.doing != doing:  # said once, however often it is looked at
            _log.warning("the consumer of %s is %s %s", self._service, doing, getattr(why, "orig", why))
        self._health.turn(doing, ready=False)
        if self._stop.wait(_PAUSE):
            raise Stopped from why
