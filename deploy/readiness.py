"""Is a process of ours doing its work yet? It says so itself, at /readyz."""

import time
from collections.abc import Callable

import requests

from chassis.conditions import WAITING_FOR_PERSON

#: Seconds between two looks: the processes need the processor more than we do.
_EVERY = 0.5


class Readiness:
    """Asks each process at its own address."""

    def __init__(self, address_of: Callable[[str], str]) -> None:
        """Take what knows where a process, such as `tracker.relay`, answers probes."""
        self._address_of = address_of

    def all_of(self, names: list[str]) -> Callable[[], bool]:
        """Return a condition that is true once each of these processes has been seen ready.

        One that waits for a person has started as well: that person needs the others.
        """
        missing, looked = list(names), 0.0

        def condition() -> bool:
            nonlocal looked
            if missing and time.monotonic() - looked > _EVERY:
                missing[:] = [name for name in missing if not self.is_ready(name)]
                looked = time.monotonic()
            return not missing

        return condition

    def is_ready(self, name: str) -> bool:
        """Tell whether the process does its work, or would if a person did theirs."""
        try:
            answer = requests.get(f"{self._address_of(name)}/readyz", timeout=2)
            return answer.ok or str(answer.json()["doing"]).startswith(WAITING_FOR_PERSON)
        except (requests.RequestException, KeyError, TypeError):  # also what is no answer of a process of ours
            return False
