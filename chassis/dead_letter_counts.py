"""How many dead letters each service has, for the pages of administrators."""

import time
from collections.abc import Callable, Mapping

from chassis import neighbours
from chassis.db import Database
from chassis.neighbours import Neighbours
from chassis.settings import Settings
from messaging.dead_letters import count_dead_letters

#: Where a service answers `{"open": 3}`, without a token: it is a number about nobody.
COUNT_PATH = "/api/v1/messages/dead-letters/count"


class DeadLetterCounts:
    """The number of open dead letters of each service, as it last said itself."""

    def __init__(self, ask: Mapping[str, Callable[[], int]], *, clock: Callable[[], float] = time.monotonic) -> None:
        """`ask`: how each service is asked; what raises is no answer."""
        self._ask = ask
        self._neighbours = Neighbours[int](ask, about="dead-letters", clock=clock)

    def begin(self) -> None:
        """Ask, and wait for nobody."""
        self._neighbours.begin(self._ask)

    def latest(self) -> dict[str, int | None]:
        """Return the latest answer of each service; None for one that gave none."""
        return self._neighbours.latest(self._ask)


def count_own(database: Database) -> int:
    """Return how many open dead letters the service itself has."""
    with database.reading() as session:
        return count_dead_letters(session)


def dead_letter_counts(settings: Settings, database: Database) -> DeadLetterCounts:
    """Return the counts over all services: the own number from the database, the others' by REST."""
    ask: dict[str, Callable[[], int]] = {
        service: _asker(f"{url}{COUNT_PATH}") for service, url in settings.internal_urls.items()
    }
    ask[settings.service] = lambda: count_own(database)
    return DeadLetterCounts(ask)


def _asker(url: str) -> Callable[[], int]:
    return lambda: int(neighbours.ask_service(url)["open"])
