"""What people do all day: create tasks, do them, and give them to others."""

from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial
from random import Random
from typing import Any

from deploy.demo.client import Person
from deploy.demo.people import Company
from deploy.demo.waiting import until

_VERBS = (
    "Пересчитать", "Почистить", "Разложить по цвету", "Сдать на склад", "Проветрить", "Покрасить", "Взвесить",
    "Починить", "Застраховать", "Сфотографировать", "Согласовать с начальством", "Перенести в облако",
)  # fmt: skip
_OBJECTS = (
    "перья в подушках", "жёрдочки в переговорной", "просо второго сорта", "семечки к пятнице", "зеркальца",
    "колокольчики", "клетку у окна", "кормушку на кухне", "скорлупу от орехов", "кокосы для гостей",
    "чертежи гнезда", "отчёт о щебете",
)  # fmt: skip
_DESCRIPTION = "Сначала просо, потом семечки. Орехи считать поштучно."
#: What is refused when somebody else was faster: a reassignment, a block.
_TOO_LATE = (401, 403, 409)


def title(random: Random) -> str:
    """Make up what is to be done."""
    return f"{random.choice(_VERBS)} {random.choice(_OBJECTS)}"


class Office:
    """The company at work."""

    def __init__(self, company: Company, pool: Executor, random: Random) -> None:
        """Take who works, and where requests are made side by side."""
        self._company = company
        self._pool = pool
        self._random = random
        self._number = 0

    def create_tasks(self, count: int, *, without: frozenset[str]) -> None:
        """Let people create so many tasks; those of these ids are shut out. Raises DeployError."""
        authors = [person for person in self._company.workers.values() if person.id not in without]
        wanted = [(self._random.choice(authors), self._words()) for _ in range(count)]
        list(self._pool.map(lambda one: one[0].create("tracker", "/api/v1/tasks", one[1]), wanted))

    def complete_tasks(self, share: float, *, without: frozenset[str]) -> list[str]:
        """Let the diligent do this share of the open tasks; return the ids of those that are done, in their order."""
        diligent = self._company.workers.keys() - self._company.idle - without
        chosen = [
            task for task in self.open_tasks() if task["assignee"]["id"] in diligent and self._random.random() < share
        ]
        return [task_id for task_id in self._pool.map(self._complete, chosen) if task_id is not None]

    def open_tasks(self) -> Sequence[Any]:
        """Return all open tasks."""
        return list(self._company.admin.everything("tracker", "/api/v1/tasks", scope="all", status="open"))

    def reassign(self) -> Any:
        """Let the manager press the button; return the run when it has ended. Raises DeployError."""
        manager = self._company.manager
        run = manager.create("tracker", "/api/v1/reassignments")
        return until("a reassignment ended", lambda: _finished(manager, run["id"]))

    def wait_until_paid(self, task_ids: Sequence[str]) -> None:
        """Wait until the rewards of these tasks, and so all that was posted before, stand in the books."""
        for task_id in task_ids[-2:]:
            until("billing has paid for a task", partial(self._paid, task_id))

    def _words(self) -> dict[str, str]:
        self._number += 1
        words = {"title": title(self._random), "description": _DESCRIPTION}
        return words | ({"jira_id": f"POPUG-{self._number}"} if self._random.random() < 0.5 else {})

    def _complete(self, task: Any) -> str | None:
        worker = self._company.workers[task["assignee"]["id"]]
        done = worker.ask("POST", "tracker", f"/api/v1/tasks/{task['id']}/complete", expect=_TOO_LATE)
        return str(task["id"]) if done.ok else None

    def _paid(self, task_id: str) -> bool | None:
        history = self._company.admin.everything("tracker", f"/api/v1/tasks/{task_id}/history")
        return any(item["kind"] == "paid" for item in history) or None


def _finished(manager: Person, run_id: str) -> Any | None:
    run = manager.get("tracker", f"/api/v1/reassignments/{run_id}")
    return run if run["status"] == "finished" else None
