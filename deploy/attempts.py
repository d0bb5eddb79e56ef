"""Work that may fail for reasons that pass, such as a full disk or too many processes: said once, and tried again."""

import traceback
from collections.abc import Callable


class Attempts:
    """Remembers what fails just now."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Take what tells people."""
        self._say = say
        self._failing: set[str] = set()

    def succeed(self, what: str, work: Callable[[], None]) -> bool:
        """Do the work and tell whether it succeeded. `what` names it, as in "The start of tracker.relay".

        The caller tries again later. People are told of the first failure, and when it is over.
        """
        try:
            work()
        except Exception as error:  # noqa: BLE001 -- one who looks after others must not end by what hits itself
            if what not in self._failing:
                self._failing.add(what)
                self._say(f"{what} failed, and is tried again until it succeeds: {_in_words(error)}")
            return False
        if what in self._failing:
            self._failing.remove(what)
            self._say(f"{what} succeeded at last.")
        return True


def _in_words(error: Exception) -> str:
    """The operating system's refusals explain themselves; where anything else comes from has to be shown."""
    return str(error) if isinstance(error, OSError) else "".join(traceback.format_exception(error))
