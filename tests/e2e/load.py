"""People at work on a running system, by REST, and a note of everything that was accepted."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import requests

from tests.e2e.parrots import Parrot, company
from tests.waiting import PATIENCE, eventually

#: Seconds for which somebody presses the button again.
#: Seconds between two things that one and the same person does.
_PAUSE = 0.1
_BETWEEN_REASSIGNMENTS = 3.0
#: Groups of workers: in each, one after the other does something.
_GROUPS = 3


@dataclass
class Accepted:
    """What somebody got an answer 2xx for. Complete once the load has ended."""

    #: Title of a task -> its id.
    tasks: dict[str, str] = field(default_factory=dict)
    completed: list[str] = field(default_factory=list)
    reassignments: list[str] = field(default_factory=list)
    #: Id of a user who was created -> `active` or `blocked`.
    users: dict[str, str] = field(default_factory=dict)


class Load:
    """Everybody of the demo company at work until the end of the `with` block.

    Who gets no answer, or a 5xx, presses the button again, as often as it takes: that is noted in `faults`. Any answer
    that is not to be expected of a sound system fails the test at the end of the block.
    """

    def __init__(self, run: dict[str, Any]) -> None:
        """Take the content of run.json; nobody works yet."""
        self.accepted = Accepted()
        #: Tries in vain, as in `tracker: 503`.
        self.faults: list[str] = []
        self._run = run
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(thread_name_prefix="load")
        self._work: list[Future[None]] = []

    def __enter__(self) -> Self:
        """Sign everybody in and let them begin."""
        people = list(company(self._run).values())
        workers = [person for person in people if person.role not in ("admin", "manager")]
        jobs: list[Callable[[], None]] = [
            *(lambda group=workers[n::_GROUPS]: self._create_and_complete(group) for n in range(_GROUPS)),
            *(lambda who=p: self._reassign(who) for p in people if p.role == "manager"),
            *(lambda who=p: self._hire_and_block(who) for p in people if p.role == "admin"),
        ]
        self._work = [self._pool.submit(job) for job in jobs]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let everybody finish what they are at. Raises what went wrong in a thread."""
        self._stopping.set()
        self._pool.shutdown()
        for work in self._work:
            work.result()

    def _create_and_complete(self, group: Sequence[Parrot]) -> None:
        for worker in cycle(group):
            title = f"Perch {uuid4().hex}"
            created = self._press(worker, "POST", "/api/v1/tasks", {"title": title}, expect=(201,))
            self.accepted.tasks[title] = created.json()["id"]
            own = "/api/v1/tasks?assignee=me&status=open&limit=5"
            for task in self._press(worker, "GET", own, expect=(200,)).json()["items"]:
                path = f"/api/v1/tasks/{task['id']}/complete"
                # 409: it was reassigned meanwhile, or was done by a try whose answer was lost.
                if self._press(worker, "POST", path, expect=(200, 409)).ok:
                    self.accepted.completed.append(task["id"])
            if self._stopping.wait(_PAUSE):
                return

    def _reassign(self, manager: Parrot) -> None:
        """Not before the last run is over: each charges every open task, and so would every click in vain."""
        status = "finished"
        while not self._stopping.wait(_BETWEEN_REASSIGNMENTS):
            if status == "finished":
                run = self._press(manager, "POST", "/api/v1/reassignments", expect=(202,)).json()
                self.accepted.reassignments.append(run["id"])
            status = self._press(manager, "GET", f"/api/v1/reassignments/{run['id']}", expect=(200,)).json()["status"]

    def _hire_and_block(self, admin: Parrot) -> None:
        """Every second one of them is let in again."""
        for fate in cycle((("block",), ("block", "unblock"))):
            mark = uuid4().hex
            words = {"name": f"Parrot {mark}", "email": f"{mark}@uberpopug.example", "role": "popug"}
            # 409: was created by a try whose answer was lost.
            hired = self._press(admin, "POST", "/api/v1/users", words, service="auth", expect=(201, 409))
            if hired.ok:
                user_id = hired.json()["id"]
                self.accepted.users[user_id] = "active"
                for action in fate:
                    if self._stopping.wait(_PAUSE):
                        return
                    path = f"/api/v1/users/{user_id}/{action}"
                    done = self._press(admin, "POST", path, service="auth", expect=(200,))
                    self.accepted.users[user_id] = done.json()["status"]
            if self._stopping.wait(_PAUSE):
                return

    def _press(
        self,
        who: Parrot,
        method: str,
        path: str,
        body: Any = None,
        *,
        service: str = "tracker",
        expect: tuple[int, ...],
    ) -> requests.Response:
        """Ask until there is an answer; with a key, so that what was done already is not done twice."""
        key = {"Idempotency-Key": str(uuid4())} if method == "POST" else {}

        def answered() -> list[requests.Response]:  # in a list: a response that refuses counts as false
            try:
                answer = who.ask(method, service, path, json=body, headers=key)
            except requests.RequestException as error:
                self.faults.append(f"{service}: {type(error).__name__}")
                return []
            if answer.status_code >= 500:
                self.faults.append(f"{service}: {answer.status_code}")
                return []
            return [answer]

        (answer,) = eventually(answered, timeout=PATIENCE, every=0.2)
        assert answer.status_code in expect, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer
