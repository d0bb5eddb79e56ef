"""How long the tracker's lists take among 100,000 tasks, each filter and each order, by REST over HTTP."""

import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import psycopg2
import requests

from deploy.databases import ServiceDatabase
from deploy.settings import REPOSITORY
from tests.benchmarks.servers import Servers
from tests.benchmarks.writer import tracker_environment, tracker_served
from tests.chassis_parts import bearer
from tests.plans import id_of

TASKS, PEOPLE = 100_000, 1_000
#: Of each request.
REPETITIONS = 10

_COMPANY = f"""
    INSERT INTO users (user_id, name, email, role, status, sequence)
        SELECT md5('user' || n)::uuid, 'Popug ' || n, 'popug@x.example', CASE n WHEN 1 THEN 'manager' ELSE 'popug' END,
               'active', 1
        FROM generate_series(1, {PEOPLE}) n;
    INSERT INTO tasks (public_id, title, jira_id, description, status, fee_cents, reward_cents, assignee_id,
                       assignment_no, created_by, created_at, completed_at, version)
        SELECT md5('task' || n)::uuid,
               (ARRAY['Почистить клетку', 'Count the feathers', 'Насыпать проса', 'Replace the perch'])[1 + n % 4]
                   || ' № ' || n,
               CASE WHEN n % 3 = 0 THEN 'POPUG-' || n END, repeat('Say it again, twice and slowly. ', n % 20),
               CASE WHEN n % 10 = 0 THEN 'open' ELSE 'done' END, 1000 + n * 7919 % 1001, 2000 + n * 7907 % 2001,
               md5('user' || 2 + n * 7919 % 997)::uuid, 1, md5('user' || 1 + n * 31 % 400)::uuid,
               timestamptz '2025-12-01' + n * interval '5 minutes',
               CASE WHEN n % 10 = 0 THEN NULL ELSE timestamptz '2025-12-02' + n * interval '5 minutes' END, 2
        FROM generate_series(1, {TASKS}) n
"""
_MANAGER, _POPUG = id_of("user1"), id_of("user7")
_WISHES = {
    "all tasks": "scope=all",
    "open ones": "scope=all&status=open",
    "of one assignee": f"scope=all&assignee={_POPUG}",
    "of one author, by reward": f"scope=all&author={id_of('user32')}&sort=-reward",
    "of one author, open": f"scope=all&author={id_of('user32')}&status=open",
    "a word in three of them": f"scope=all&q={quote('№ 4711')}",
    "a word in a quarter of them": f"scope=all&q={quote('ПРОСА')}",
    "a word in all of them, by fee": f"scope=all&q={quote('№')}&sort=fee",
    "two letters that none has": "scope=all&q=zq",
    "a word and an assignee": f"scope=all&q=feathers&assignee={_POPUG}&sort=title",
    "a Jira key": "scope=all&jira_id=popug-4710",
    "of a day": "scope=all&from=2026-03-03&to=2026-03-03",
    "of half a year, open, by reward": "scope=all&from=2025-12-01&to=2026-05-31&status=open&sort=-reward",
    "of half a year, by title": "scope=all&from=2025-12-01&to=2026-05-31&sort=title",
    **{f"sorted by {sort}": f"scope=all&sort={sort}" for sort in ("fee", "-reward", "-completed", "title", "created")},
    "done, sorted by -completed": "scope=all&status=done&sort=-completed",
    "open, sorted by fee": "scope=all&status=open&sort=fee",
    "200 by their ids": f"ids={','.join(str(id_of(f'task{n * 499}')) for n in range(1, 201))}",
}


def lists_among_many_tasks(servers: Servers) -> list[tuple[str, str]]:
    """Ask for the first page of each list again and again, and once for all tasks as CSV."""
    database = servers.new_database("tracker")
    environment = tracker_environment(servers.folder, database)
    migrate = [sys.executable, "-m", "tracker_service", "migrate"]
    subprocess.run(migrate, cwd=REPOSITORY, env=os.environ | environment, check=True)
    _fill(database)
    figures = []
    with tracker_served(environment, events=True) as url, requests.Session() as client:
        client.headers.update(bearer(sub=str(_MANAGER), role="manager"))
        for what, wish in _WISHES.items():
            figures.append((what, _measure(client, f"{url}/api/v1/tasks?{wish}", database)))
        whole = _measure(client, f"{url}/api/v1/tasks?scope=all", database, accept="text/csv", repetitions=1)
    dearest, cost = max(figures, key=lambda figure: figure[1].cpu_ms)
    return [
        *((f"list of tasks: {what}", str(figure)) for what, figure in figures),
        (f"the dearest list of {TASKS:,} tasks ({dearest})", str(cost)),
        (f"all {TASKS:,} tasks as CSV", str(whole)),
    ]


@dataclass(frozen=True)
class _Figure:
    """What a request takes of the processors, in the web server and in Postgres together, and how long it takes."""

    cpu_ms: float
    wait_ms: float

    def __str__(self) -> str:
        return f"{self.cpu_ms:,.0f} ms of a core, answered after {self.wait_ms:,.0f} ms"


def _measure(
    client: requests.Session,
    url: str,
    database: ServiceDatabase,
    *,
    accept: str = "application/json",
    repetitions: int = REPETITIONS,
) -> _Figure:
    """Ask again and again. What processors are busy with besides moves how long it takes, not what it costs."""
    _wait(client, url.replace("?", "?limit=1&"), accept)  # so that there is a connection
    before = _cpu_ms(database)
    waits = [_wait(client, url, accept) for _ in range(repetitions)]
    return _Figure((_cpu_ms(database) - before) / repetitions, 1000 * statistics.median(waits))


def _cpu_ms(database: ServiceDatabase) -> float:
    """What the web server and its connections to Postgres have taken of the processors so far."""
    connection = psycopg2.connect(database.owner_url)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE usename = 'tracker_app' AND datname = current_database()"
        )
        backends = [pid for (pid,) in cursor.fetchall()]
    connection.close()
    pids = [child.pid for child in multiprocessing.active_children()] + backends
    return sum(float(told.read_text().split()[0]) / 1e6 for pid in pids for told in _schedstats(pid))


def _schedstats(pid: int) -> Iterator[Path]:
    return Path(f"/proc/{pid}/task").glob("*/schedstat")


def _fill(database: ServiceDatabase) -> None:
    connection = psycopg2.connect(database.owner_url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(_COMPANY)
            cursor.execute("VACUUM ANALYZE")
    finally:
        connection.close()


def _wait(client: requests.Session, url: str, accept: str) -> float:
    started = time.perf_counter()
    answer = client.get(url, headers={"Accept": accept}, timeout=600)
    wait = time.perf_counter() - started
    if answer.status_code != HTTPStatus.OK:
        raise AssertionError(answer.text)
    return wait
