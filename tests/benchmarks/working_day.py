"""People at work on the whole system by REST, each as fast as the answers come: how many it serves, and how fast.

These users, the services, Postgres and RabbitMQ share the cores, and relays, consumers and jobs are all at work. Nobody
pauses between two requests, so a few users stand for many people.
"""

import os
import shutil
import signal
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any

import urllib3

from deploy.programs import processes
from tests.benchmarks.processes import cpu_seconds, kinds_of, megabytes
from tests.e2e.parrots import Parrot, company
from tests.e2e.running import RunningSystem

#: Users at once, and the seconds for which each number of them works.
USERS = (1, 4, 16, 64)
SECONDS = 20.0
#: Of those who do nothing but create tasks.
CREATORS = 8
#: Of a hundred requests. Who completes takes the task from the list just seen.
_MIX = {"list": 40, "create": 15, "complete": 15, "task": 10, "balance": 10, "entries": 5, "history": 5}
#: Seconds between two looks of somebody who waits for the price of a new task.
_LOOK = 0.02
_PATIENCE = 600.0

Ask = Callable[..., "Answer"]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: Any


@dataclass
class Taken:
    """How long requests took, by what they were for; in milliseconds."""

    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: Counter[int] = field(default_factory=Counter)

    @property
    def all(self) -> list[float]:
        """Return every request's."""
        return [took for some in self.milliseconds.values() for took in some]


def a_working_day() -> list[tuple[str, str]]:
    """Start a new system, have more and more users work on it, and return what was measured."""
    system = RunningSystem()
    try:
        system.launch()
        run = system.wait_until_ready()
        people = list(company(run).values())
        _work(people, 4, 5.0, _do_a_day)  # caches fill, plans are made
        rows = [row for users in USERS for row in _stage(system.state_dir, people, users, _do_a_day, "a day's mix")]
        return [*rows, *_stage(system.state_dir, people, CREATORS, _create, "creations alone")]
    finally:
        system.stop(signal.SIGINT)
        shutil.rmtree(system.state_dir, ignore_errors=True)


def _stage(
    state_dir: Path, people: list[Parrot], users: int, do: Callable[[Ask, Random], None], what: str
) -> list[tuple[str, str]]:
    """Let so many users work for a while; then wait until every event has its effect."""
    with _processor_time(state_dir) as used:
        began = time.perf_counter()
        taken = _work(people, users, SECONDS, do)
        seconds = time.perf_counter() - began
        lag = _seconds_until_priced(people[0])
    hundredths = statistics.quantiles(taken.all, n=100)
    creations = len(taken.milliseconds["create"]) / seconds
    most = sorted(used.items(), key=lambda one: -one[1])[:6]
    refused = f", answers {dict(taken.refused)}" if taken.refused else ""
    return [
        (
            f"{what}, {users} users",
            f"{len(taken.all) / seconds:.0f} requests/s, of which {creations:.0f} creations; "
            f"p50 / p99 {hundredths[49]:.0f} / {hundredths[98]:.0f} ms{refused}",
        ),
        ("the same: the last creation priced after the last answer", f"{lag:.1f} s"),
        ("the same: memory of our processes (PSS)", f"{sum(map(megabytes, kinds_of(state_dir))):.0f} MB"),
        (
            f"the same: what took the {os.cpu_count()} cores",
            ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in most),
        ),
    ]


def _work(people: list[Parrot], users: int, seconds: float, do: Callable[[Ask, Random], None]) -> Taken:
    taken, until, failures = Taken(), time.monotonic() + seconds, list[BaseException]()
    pool = urllib3.PoolManager(num_pools=4, maxsize=users, block=True, retries=False, timeout=60)

    def work(who: Parrot, number: int) -> None:
        random = Random(number)
        try:
            while time.monotonic() < until:
                do(_asking(pool, who, taken), random)
        except BaseException as error:  # noqa: BLE001 (it ends the benchmark, in the thread that started this one)
            failures.append(error)

    threads = [
        threading.Thread(target=work, args=(who, number)) for number, who in enumerate(islice(cycle(people), users))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return taken


def _asking(pool: urllib3.PoolManager, who: Parrot, taken: Taken) -> Ask:
    def ask(what: str, method: str, service: str, path: str, **options: Any) -> Answer:
        headers = {"Authorization": f"Bearer {who.token}"}
        began = time.perf_counter()
        answer = pool.request(method, f"{who.services[service]}/api/v1/{path}", headers=headers, **options)
        taken.milliseconds[what].append((time.perf_counter() - began) * 1000)
        if answer.status >= 400:
            taken.refused[answer.status] += 1
        return Answer(answer.status, answer.json())

    return ask


def _do_a_day(ask: Ask, random: Random) -> None:
    """Look at one's tasks, and do what comes of it, as often as the mix has it."""
    own = ask("list", "GET", "tracker", "tasks?assignee=me&status=open&limit=20").body["items"]
    for what, share in _MIX.items():
        if what != "list" and random.random() < share / _MIX["list"]:
            _do(what, ask, random, own)


def _do(what: str, ask: Ask, random: Random, own: list[dict[str, Any]]) -> None:
    if what == "create":
        _create(ask, random)
    elif what == "balance":
        ask(what, "GET", "billing", "accounts/me")
    elif what == "entries":
        ask(what, "GET", "billing", "accounts/me/entries")
    elif own:
        path = f"tasks/{random.choice(own)['id']}"
        if what == "complete":
            ask(what, "POST", "tracker", f"{path}/complete")
        else:
            ask(what, "GET", "tracker", path if what == "task" else f"{path}/history")


def _create(ask: Ask, random: Random) -> None:
    ask("create", "POST", "tracker", "tasks", json={"title": f"Polish perch {random.random()}"})


def _seconds_until_priced(who: Parrot) -> float:
    """Create a task; return after how long its price is back from billing: until then all before it waits, too."""
    began = time.perf_counter()
    task = who.post("tracker", "/api/v1/tasks", {"title": "The last perch"}, expect=201)
    while time.perf_counter() < began + _PATIENCE:
        if who.get("tracker", f"/api/v1/tasks/{task['id']}").get("fee_cents") is not None:
            return time.perf_counter() - began
        time.sleep(_LOOK)
    raise TimeoutError(f"a task has no price after {_PATIENCE} s")


@contextmanager
def _processor_time(state_dir: Path) -> Iterator[dict[str, float]]:
    """Count what each kind of process takes of one core, as a share, while the block lasts."""
    used: dict[str, float] = defaultdict(float)
    kinds = kinds_of(state_dir, servers=True) | {os.getpid(): "these users"}
    before, began = {pid: cpu_seconds(pid) for pid in kinds}, time.perf_counter()
    yield used
    seconds = time.perf_counter() - began
    for pid in kinds.keys() & {*processes()}:  # a process that looks at photos ends by itself
        used[kinds[pid]] += (cpu_seconds(pid) - before[pid]) / seconds
