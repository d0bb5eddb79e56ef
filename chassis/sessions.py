"""Whether a session with auth goes on, for the services that hear of its end by an event.

An event may be late: RabbitMQ, a relay or a consumer may be away. So a service takes auth's word for a session, which
the token or the page session brings along, for twenty seconds. Then it asks auth: behind the requests at first, and
from forty seconds on a request waits for the answer. Who is blocked is thus shut out within a minute, whatever
becomes of the event.

An auth that does not answer is waited for once. From then on nobody waits until it is back, and sessions go on
for as long as a token lives: five minutes from auth's last word.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import requests
import structlog

from chassis.db import utc_now
from chassis.errors import N_, Unauthorized, Unavailable
from chassis.people import LIFETIME

#: For how long auth's word is taken without asking again, and without waiting for the answer.
_FRESH = timedelta(seconds=20)
_GOOD = timedelta(seconds=40)
#: Seconds that a request waits for auth, and that the question itself may take.
_PATIENCE = 1.0
_TIMEOUT = 2.0
#: Between two questions to an auth that is away.
_BETWEEN_TRIES = timedelta(seconds=5)
#: Sessions that are remembered, and questions that are asked at once.
_MAX_SESSIONS = 10_000
_THREADS = 4
_NEVER = datetime.min.replace(tzinfo=UTC)

_log = structlog.get_logger(__name__)


class SessionEnded(Unauthorized):
    """The person signed out, was blocked meanwhile, or the session is too old."""

    title = N_("This session has ended")

    def __init__(self) -> None:
        super().__init__(N_("This session has ended. Show your beak again."))


@dataclass(frozen=True)
class _Word:
    """What auth said of a session, and when it was asked."""

    asked_at: datetime
    goes_on: bool


class Confirmations:
    """auth's word on the sessions that are used here. One for all requests of a process."""

    def __init__(
        self, auth_url: str, *, ask: Callable[[str], bool] | None = None, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """Take auth's address; `ask` gets that of a session and raises a RequestException if auth is away."""
        self._auth_url = auth_url
        self._ask = ask or _goes_on
        self._clock = clock
        self._lock = threading.Lock()
        #: The latest used last.
        self._words: OrderedDict[UUID, _Word] = OrderedDict()
        self._questions: dict[UUID, Future[None]] = {}
        self._away = False
        self._asked_at = _NEVER
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="sessions")

    def check(self, session_id: UUID, confirmed_at: datetime) -> datetime:
        """Return when auth last confirmed the session. `confirmed_at` is what the token or page session says of that.

        Raises SessionEnded, or Unavailable if its time is over and auth cannot be asked.
        """
        if confirmed_at - self._clock() > _FRESH:
            confirmed_at = _NEVER  # a word from the future would be fresh for too long: one of the clocks was set back
        age = self._age(self._latest(session_id, confirmed_at))
        if age >= _FRESH:
            question = self._question(session_id, urgent=age >= LIFETIME)
            if question is not None and age >= _GOOD:
                self._await(question)
        latest = self._latest(session_id, confirmed_at)
        if self._age(latest) >= LIFETIME:
            raise Unavailable(N_("The sign-in service cannot be reached to renew your session. Try again in a moment."))
        return latest

    def end(self, session_id: UUID) -> None:
        """Let the session count no longer here, before auth's event tells of its end."""
        self._note(session_id, _Word(self._clock(), goes_on=False))

    def _latest(self, session_id: UUID, confirmed_at: datetime) -> datetime:
        word = self._words.get(session_id)
        if word is None or confirmed_at > word.asked_at:
            return confirmed_at
        if not word.goes_on:
            raise SessionEnded
        return word.asked_at

    def _age(self, moment: datetime) -> timedelta:
        return abs(self._clock() - moment)

    def _question(self, session_id: UUID, *, urgent: bool) -> Future[None] | None:
        """Ask auth, and return what can be waited for: None when nobody ought to, because auth is away."""
        with self._lock:
            now = self._clock()
            if self._away and now - self._asked_at < _BETWEEN_TRIES:
                return None
            self._asked_at = now
            question = self._questions.get(session_id)
            if question is None:
                question = self._questions[session_id] = self._pool.submit(self._put, session_id)
            return question if urgent or not self._away else None

    def _await(self, question: Future[None]) -> None:
        done, _ = wait([question], _PATIENCE)
        if not done:
            self._away = True

    def _put(self, session_id: UUID) -> None:
        asked_at = self._clock()
        try:
            goes_on = self._ask(f"{self._auth_url}/api/v1/sessions/{session_id}")
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            self._away = True
            _log.warning("session_not_confirmed", error=str(error))
        else:
            self._away = False
            self._note(session_id, _Word(asked_at, goes_on))
        finally:
            with self._lock:
                del self._questions[session_id]

    def _note(self, session_id: UUID, word: _Word) -> None:
        with self._lock:
            known = self._words.get(session_id)
            if known is not None and known.asked_at > word.asked_at:
                return  # the session was ended here while auth was being asked
            self._words[session_id] = word
            self._words.move_to_end(session_id)
            if len(self._words) > _MAX_SESSIONS:
                self._words.popitem(last=False)


def _goes_on(url: str) -> bool:
    answer = requests.get(url, timeout=_TIMEOUT)
    answer.raise_for_status()
    return answer.json()["active"] is True
