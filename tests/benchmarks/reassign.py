"""One press of "reassign" over 100,000 open tasks of 1,000 parrots: the tracker alone, then all services."""

import itertools
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import requests

from chassis.settings import load_settings
from deploy.ports import LOOPBACK, pick_free
from tests.benchmarks.servers import Servers
from tests.benchmarks.services import open_services, ready_process, service_process, wait_until_ready
from tests.chassis_parts import bearer, know_keys
from tests.plans import id_of

TASKS = 100_000
PARROTS = 1_000
#: Seconds between two requests of somebody who works meanwhile, and how many do.
PAUSE = 0.05
CLICKERS = 2
_LOOK = 0.2
_PATIENCE = 1_800

#: A tracker whose tasks are all priced, in turn of the parrots, as they are some time before anybody reassigns.
_TRACKER = f"""
    INSERT INTO users (user_id, name, email, role, status, sequence)
        SELECT md5('user' || n)::uuid, 'Popug ' || n, 'popug@x.example',
               CASE WHEN n = 0 THEN 'manager' ELSE 'popug' END, 'active', 1
        FROM generate_series(0, {PARROTS}) n;
    INSERT INTO tasks (public_id, title, description, status, assignee_id, assignment_no, fee_cents, reward_cents,
                       priced_at, created_by, created_at, version)
        SELECT md5('task' || n)::uuid, 'Polish perch ' || n, '', 'open', md5('user' || 1 + n %% {PARROTS})::uuid, 1,
               1000 + n %% 1001, 2000 + n %% 2001, now(), md5('user0')::uuid, now(), 2
        FROM generate_series(1, %(tasks)s) n;
    INSERT INTO assignments (task_number, assignment_no, assignee_id, assigned_at, event_id)
        SELECT id, 1, assignee_id, now(), gen_random_uuid() FROM tasks;
"""
_BILLING = """
    INSERT INTO tasks (task_id, title, fee_cents, reward_cents, priced_at, words_sequence)
        SELECT md5('task' || n)::uuid, 'Polish perch ' || n, 1000 + n %% 1001, 2000 + n %% 2001, now(), 1
        FROM generate_series(1, %(tasks)s) n;
"""


@dataclass
class _System:
    """Services at work."""

    web: str
    tracker: "psycopg2.extensions.connection"
    billing: "psycopg2.extensions.connection | None"
    consumer_pid: int


def a_run_over_everything(servers: Servers, tasks: int = TASKS) -> list[tuple[str, str]]:
    """Press once with the tracker alone, once with the others at work, while people go on with their tasks."""
    return [*_tracker_alone(servers, tasks), *_all_together(servers, tasks)]


def _tracker_alone(servers: Servers, tasks: int) -> list[tuple[str, str]]:
    with _system(servers, tasks, others=False) as system, _people_at_work(system) as requests_ms:
        before = _memory_mb(system.consumer_pid, "VmRSS")
        pressed = _press(system)
        half = _wait(system.tracker, pressed, _DONE, tasks // 2)
        memory_at_half = _memory_mb(system.consumer_pid, "VmRSS")
        assigned = _wait(system.tracker, pressed, _FINISHED, 1)
        published = _wait(system.tracker, pressed, _PUBLISHED, 1)
        peak = _memory_mb(system.consumer_pid, "VmHWM")
        _check(system)
    return [
        (f"{tasks:,} tasks among {PARROTS:,} parrots, the tracker alone: press to the last assignment", _s(assigned)),
        ("the same, to half of them", _s(half)),
        ("the same, to every event published", _s(published)),
        *_answers(requests_ms),
        (
            "memory of the tracker's consumer: before / at half / at most",
            f"{before:.0f} / {memory_at_half:.0f} / {peak:.0f} MB",
        ),
    ]


def _all_together(servers: Servers, tasks: int) -> list[tuple[str, str]]:
    with _system(servers, tasks, others=True) as system, _people_at_work(system) as requests_ms:
        assert system.billing is not None
        pressed = _press(system)
        assigned = _wait(system.tracker, pressed, _FINISHED, 1)
        done = _number(system.tracker, _DONE)
        charged = _wait(system.billing, pressed, _POSTED, done)
        counted = _wait(system.tracker, pressed, _CHARGED, done)
        peak = _memory_mb(system.consumer_pid, "VmHWM")
        _check(system)
    return [
        ("with billing and analytics at work: press to the last assignment", _s(assigned)),
        ("the same, to the last charge in billing's ledger", _s(charged)),
        ("the same, to the last charge in the tracker's report", _s(counted)),
        *_answers(requests_ms),
        ("memory of the tracker's consumer, at most", f"{peak:.0f} MB"),
    ]


@contextmanager
def _system(servers: Servers, tasks: int, *, others: bool) -> Iterator[_System]:
    services = ("tracker", "billing", "analytics") if others else ("tracker",)
    environment, databases = open_services(servers, *services)
    state, (port,) = Path(environment["ATES_STATE_DIR"]) / f"reassign-{len(services)}", pick_free(1)
    state.mkdir()
    environment |= {"ATES_STATE_DIR": str(state), "ATES_PORT_TRACKER": str(port)}
    know_keys(load_settings("tracker", environment))
    for service, rows in (("tracker", _TRACKER), ("billing", _BILLING)):
        if service in databases:
            _fill(databases[service].owner_url, rows, tasks)
    with ExitStack() as stack:
        stack.enter_context(service_process("tracker", "web", environment))
        stack.enter_context(ready_process("tracker", "relay", environment))
        consumer = stack.enter_context(ready_process("tracker", "consumer", environment))
        for service, process in (("billing", "relay"), ("billing", "consumer"), ("analytics", "consumer")):
            if service in databases:
                stack.enter_context(ready_process(service, process, environment))
        web = f"http://{LOOPBACK}:{port}"
        wait_until_ready(web)
        tracker, billing = (
            stack.enter_context(closing(_connect(databases[name].owner_url))) if name in databases else None
            for name in ("tracker", "billing")
        )
        assert tracker is not None
        yield _System(web, tracker, billing, consumer.pid)


def _connect(url: str) -> "psycopg2.extensions.connection":
    connection = psycopg2.connect(url)
    connection.autocommit = True
    return connection


def _fill(url: str, rows: str, tasks: int) -> None:
    with closing(_connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(rows, {"tasks": tasks})
        cursor.execute("VACUUM ANALYZE")


def _press(system: _System) -> float:
    token = bearer(sub=str(id_of("user0")), role="manager")
    pressed = time.perf_counter()
    requests.post(f"{system.web}/api/v1/reassignments", headers=token, timeout=30).raise_for_status()
    return pressed


_DONE = "SELECT done FROM reassignments"
_FINISHED = "SELECT (status = 'finished')::int FROM reassignments"
_CHARGED = "SELECT charged FROM reassignments"
_POSTED = "SELECT count(*) FROM ledger_transactions WHERE kind = 'fee' AND assignment_no = 2"
#: Tasks that were open at the press, are open still, and were not assigned once by the run.
_LEFT_OUT = """
    SELECT count(*) FROM tasks, reassignments WHERE tasks.status = 'open' AND tasks.id <= upper_bound AND 1 <>
        (SELECT count(*) FROM assignments WHERE task_number = tasks.id AND reassignment_id = reassignments.id)
"""
_PUBLISHED = "SELECT (NOT EXISTS (SELECT FROM outbox WHERE published_at IS NULL))::int"


def _wait(database: "psycopg2.extensions.connection", pressed: float, counted: str, wanted: int) -> float:
    """Return the seconds from the press until so many are counted."""
    while time.perf_counter() < pressed + _PATIENCE:
        if _number(database, counted) >= wanted:
            return time.perf_counter() - pressed
        time.sleep(_LOOK)
    raise TimeoutError(f"not {wanted} within {_PATIENCE} s: {counted}")


def _number(database: "psycopg2.extensions.connection", counted: str) -> int:
    with database.cursor() as cursor:
        cursor.execute(counted)
        (found,) = cursor.fetchone() or (0,)
    return int(found)


def _check(system: _System) -> None:
    if _number(system.tracker, _LEFT_OUT):
        raise AssertionError("a task was not assigned exactly once")


@contextmanager
def _people_at_work(system: _System) -> Iterator[list[float]]:
    """Have people look at their tasks, create some and complete those, as long as the block lasts.

    What is yielded fills with the milliseconds that each request took, from the first press on.
    """
    stop, took = threading.Event(), list[float]()
    threads = [threading.Thread(target=_work, args=(system.web, stop, took, n)) for n in range(CLICKERS)]
    for thread in threads:
        thread.start()
    try:
        yield took
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _work(web: str, stop: threading.Event, took: list[float], first: int) -> None:
    """One parrot after the other looks at the list, completes the newest task there, and creates one."""
    with requests.Session() as session:

        def ask(method: str, path: str, who: str, **arguments: Any) -> Any:
            token = bearer(sub=who)
            began = time.perf_counter()
            answer = session.request(method, f"{web}/api/v1/{path}", headers=token, timeout=60, **arguments)
            took.append((time.perf_counter() - began) * 1000)
            if answer.status_code >= 500:
                raise AssertionError(f"{method} {path}: {answer.status_code}")
            return answer.json()

        for number in itertools.count(first, CLICKERS):
            if stop.wait(PAUSE):
                return
            parrot = str(id_of(f"user{1 + number % PARROTS}"))
            for task in ask("GET", "tasks?assignee=me&status=open&limit=1", parrot)["items"]:
                ask("POST", f"tasks/{task['id']}/complete", parrot)  # or is told that it was reassigned
            ask("POST", "tasks", parrot, json={"title": "Fly home"})


def _memory_mb(pid: int, what: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"no {what} of process {pid}")


def _answers(took: Sequence[float]) -> list[tuple[str, str]]:
    hundredths = statistics.quantiles(took, n=100)
    figure = f"{hundredths[49]:.0f} / {hundredths[98]:.0f} ms, {len(took)} requests"
    return [("other requests to the tracker meanwhile (list, create, complete), p50 / p99", figure)]


def _s(seconds: float) -> str:
    return f"{seconds:.1f} s"
