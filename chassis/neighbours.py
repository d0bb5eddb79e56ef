"""What the other services say of something, for a page that shows it: asked by threads, and only while somebody looks.

A page shows the latest answers and waits for none, except for a moment when there is none: a service that is away costs
a page nothing, and a frozen one little, once. Why so: docs/decisions/0018-trouble-is-shown-where-people-are.md.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import requests
import structlog

T = TypeVar("T")

#: Seconds between two times that the same is asked.
_EVERY = 5.0
#: Seconds for which an answer is shown.
_SHOWN = 15.0
#: Seconds that a page waits for the first answers.
_PATIENCE = 0.4
#: Seconds to connect, and to wait for a part of the answer.
_TIMEOUT = 2.0
#: Questions of which the answers are remembered, and of which may wait for a thread of their service.
_REMEMBERED = 5_000
_WAITING = 50

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Answer(Generic[T]):
    #: None if the service did not give it.
    said: T | None
    at: float


@dataclass(frozen=True)
class _Question:
    under_way: Future[None]
    at: float


class Neighbours(Generic[T]):
    """The latest answers of the services to a question, which may be another for each person."""

    def __init__(
        self,
        services: Iterable[str],
        *,
        about: str,
        threads: int = 1,
        patience: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take who can be asked, what it is `about` (for the log), and how many at once may ask the same service.

        `patience`: seconds that a page waits for the first answers, if they are worth waiting for.
        """
        self._about = about
        self._clock = clock
        self._patience = patience
        self._pools = {name: ThreadPoolExecutor(threads, thread_name_prefix=f"{about}-{name}") for name in services}
        self._lock = threading.Lock()
        self._waiting = dict.fromkeys(self._pools, 0)
        self._questions: OrderedDict[tuple[str, Hashable], _Question] = OrderedDict()
        self._answers: dict[tuple[str, Hashable], _Answer[T]] = {}

    def latest(self, ask: Mapping[str, Callable[[], T]], asker: Hashable = None) -> dict[str, T | None]:
        """Return the latest answer of each service; None for one that gave none.

        `ask` is how each service is asked; what raises is no answer. Answers are kept apart by `asker`.
        """
        missing = self.begin(ask, asker)
        if missing:
            allowed = _PATIENCE if self._patience is None else self._patience
            patience = max(question.at for question in missing) + allowed - self._clock()
            wait([question.under_way for question in missing], timeout=max(0.0, patience))
        found = {service: self._fresh((service, asker)) for service in ask}
        return {service: answer.said if answer else None for service, answer in found.items()}

    def begin(self, ask: Mapping[str, Callable[[], T]], asker: Hashable = None) -> list[_Question]:
        """Ask whoever is due, wait for nobody, and return the questions that have no answer yet.

        A page that shows answers of two kinds begins both, so that it waits once.
        """
        with self._lock:
            now = self._clock()
            for service, put in ask.items():
                if self._is_due((service, asker), now) and self._waiting[service] < _WAITING:
                    self._put((service, asker), put, now)
            self._forget()
            return [
                question
                for service in ask
                if self._fresh((service, asker)) is None and (question := self._questions.get((service, asker)))
            ]

    def _is_due(self, key: tuple[str, Hashable], now: float) -> bool:
        question = self._questions.get(key)
        return question is None or (question.under_way.done() and now - question.at >= _EVERY)

    def _put(self, key: tuple[str, Hashable], put: Callable[[], T], now: float) -> None:
        self._waiting[key[0]] += 1
        self._questions[key] = _Question(self._pools[key[0]].submit(self._find_out, key, put), now)
        self._questions.move_to_end(key)

    def _forget(self) -> None:
        while len(self._questions) > _REMEMBERED:
            key, _ = self._questions.popitem(last=False)
            self._answers.pop(key, None)

    def _fresh(self, key: tuple[str, Hashable]) -> _Answer[T] | None:
        answer = self._answers.get(key)
        return answer if answer is not None and self._clock() - answer.at < _SHOWN else None

    def _find_out(self, key: tuple[str, Hashable], put: Callable[[], T]) -> None:
        said: T | None = None
        try:
            said = put()
        except Exception as error:  # noqa: BLE001 (whatever it is, the page says who did not answer)
            _log.warning("neighbour_silent", of=key[0], about=self._about, error=repr(error))
        with self._lock:
            self._waiting[key[0]] -= 1
            self._answers[key] = _Answer(said, self._clock())


def ask_all(ask: Mapping[str, Callable[[], T]], *, about: str) -> dict[str, T | None]:
    """Ask all services side by side and wait for their answers; None for one that gives none within its time."""
    with ThreadPoolExecutor(len(ask), thread_name_prefix=about) as pool:
        asked = {service: pool.submit(put) for service, put in ask.items()}
    return {service: _answer_or_none(future, service, about) for service, future in asked.items()}


def _answer_or_none(future: Future[T], service: str, about: str) -> T | None:
    error = future.exception()
    if error is None:
        return future.result()
    _log.warning("neighbour_silent", of=service, about=about, error=repr(error))
    return None


def tell_service(url: str, token: str) -> requests.Response:
    """Send a POST without a body to a service, in the name of the token's holder; return the answer."""
    return requests.post(url, headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT, allow_redirects=False)


def ask_service(url: str, token: str | None = None) -> Any:
    """Return what the service at this address answers, as JSON. Raises whatever keeps it from that."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    response = requests.get(url, headers=headers, timeout=_TIMEOUT, allow_redirects=False)
    response.raise_for_status()
    return response.json()
