"""Does a process of ours still come to its work? It says so itself, at /livez: docs/operation.md."""

import threading
from dataclasses import dataclass
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen


@dataclass(frozen=True, kw_only=True)
class Patience:
    """When a process counts as hung, and how soon it is started again then."""

    #: Seconds between two questions, and the longest wait for an answer.
    every: float = 10.0
    #: So many bad answers in a row: it says that it is not alive, or says nothing.
    bad_answers: int = 6
    #: So many before its first good answer: a start on a busy machine takes a while.
    bad_answers_at_first: int = 18
    #: Seconds; one that hangs later than that after its start is started again at once.
    grown_up: float = 600.0
    #: Seconds until the next start of one that hung late, early for the first time, the second, ... and ever after.
    restart_delays: tuple[float, ...] = (0.0, 10.0, 30.0, 60.0, 300.0)


class Watch:
    """Asks one process from a thread of its own, so that one that does not answer keeps nobody else waiting."""

    def __init__(self, url: str, patience: Patience) -> None:
        """Begin to ask at this address."""
        self._url = url
        self._patience = patience
        self._was_alive = False
        self._bad_answers = 0
        self._latest = ""
        self._ended = threading.Event()
        threading.Thread(target=self._ask_again_and_again, name=f"watch {url}", daemon=True).start()

    def complaint(self) -> str | None:
        """Return in words why the process counts as hung; None if it does not."""
        limit = self._patience.bad_answers if self._was_alive else self._patience.bad_answers_at_first
        return self._latest if self._bad_answers >= limit else None

    def end(self) -> None:
        """Ask no more."""
        self._ended.set()

    def _ask_again_and_again(self) -> None:
        while not self._ended.wait(self._patience.every):
            bad_answer = self._ask()
            if bad_answer is None:
                self._was_alive, self._bad_answers = True, 0
            else:
                self._latest, self._bad_answers = bad_answer, self._bad_answers + 1

    def _ask(self) -> str | None:
        # urllib: requests takes ten times the work for each of some hundred questions in a minute.
        try:
            try:
                with urlopen(self._url, timeout=self._patience.every):  # noqa: S310 -- an address of ours
                    return None
            except HTTPError as error:
                with error:
                    return f"{self._url} answers {error.read().decode(errors='replace').strip()}"
        except (OSError, HTTPException):  # also in the midst of what is wrong
            return f"{self._url} does not answer"
