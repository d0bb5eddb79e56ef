"""How many dead letters each service has, for the pages of administrators.

Asked by threads of the web process, and only while somebody looks. A page shows the latest answers and waits for none,
except for a moment when there is none: a service that is away costs a page nothing, and a frozen one little, once.
Why so: docs/decisions/0018-trouble-is-shown-where-people-are.md.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import requests
import structlog

from chassis.db import Database
from chassis.settings import Settings
from messaging.dead_letters import count_dead_letters

#: Where a service answers `{"open": 3}`, without a token: it is a number about nobody.
COUNT_PATH = "/api/v1/messages/dead-letters/count"

#: Seconds between two questions to a service.
_EVERY = 5.0
#: Seconds for which an answer is shown.
_SHOWN = 15.0
#: Seconds that a page waits for the first answers.
_PATIENCE = 0.25
#: Seconds to connect, and to wait for a part of the answer.
_TIMEOUT = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Answer:
    #: None if the service did not give it.
    count: int | None
    at: float


@dataclass(frozen=True)
class _Question:
    under_way: Future[None]
    at: float


class DeadLetterCounts:
    """The number of open dead letters of each service, as it last said itself."""

    def __init__(self, ask: Mapping[str, Callable[[], int]], *, clock: Callable[[], float] = time.monotonic) -> None:
        """`ask`: how each service is asked; what raises is no answer."""
        self._ask = ask
        self._clock = clock
        self._threads = ThreadPoolExecutor(len(ask), thread_name_prefix="dead-letter-counts")
        self._lock = threading.Lock()
        self._questions: dict[str, _Question] = {}
        self._answers: dict[str, _Answer] = {}

    def latest(self) -> dict[str, int | None]:
        """Return the latest answer of each service; None for one that gave none."""
        with self._lock:
            now = self._clock()
            for service in self._ask:
                if self._is_due(service, now):
                    self._questions[service] = _Question(self._threads.submit(self._find_out, service), now)
            missing = [self._questions[service] for service in self._ask if self._fresh_answer(service) is None]
        if missing:
            patience = max(question.at for question in missing) + _PATIENCE - now
            wait([question.under_way for question in missing], timeout=max(0.0, patience))
        found = {service: self._fresh_answer(service) for service in self._ask}
        return {service: answer.count if answer else None for service, answer in found.items()}

    def _is_due(self, service: str, now: float) -> bool:
        question = self._questions.get(service)
        return question is None or (question.under_way.done() and now - question.at >= _EVERY)

    def _fresh_answer(self, service: str) -> _Answer | None:
        answer = self._answers.get(service)
        return answer if answer is not None and self._clock() - answer.at < _SHOWN else None

    def _find_out(self, service: str) -> None:
        count: int | None = None
        try:
            count = self._ask[service]()
        except Exception as error:  # noqa: BLE001 (whatever it is, the page says who did not answer)
            _log.warning("dead_letters_not_counted", of=service, error=repr(error))
        self._answers[service] = _Answer(count, self._clock())


def count_own(database: Database) -> int:
    """Return how many open dead letters the service itself has."""
    with database.reading() as session:
        return count_dead_letters(session)


def dead_letter_counts(settings: Settings, database: Database) -> DeadLetterCounts:
    """Return the counts over all services: the own number from the database, the others' by REST."""
    ask: dict[str, Callable[[], int]] = {
        service: _asker(f"{url}{COUNT_PATH}") for service, url in settings.public_urls.items()
    }
    ask[settings.service] = lambda: count_own(database)
    return DeadLetterCounts(ask)


def _asker(url: str) -> Callable[[], int]:
    return lambda: ask_service(url)


def ask_service(url: str) -> int:
    """Return what the service at this address says of itself. Raises whatever keeps it from that."""
    response = requests.get(url, timeout=_TIMEOUT, allow_redirects=False)
    response.raise_for_status()
    return int(response.json()["open"])
