"""How long the tracker's lists take among 100,000 tasks, each filter and each order, by REST over HTTP."""

import os
import statistics
import subprocess
import sys
import time
from http import HTTPStatus
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
REPETITIONS = 15

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
    headers = bearer(sub=str(_MANAGER), role="manager")
    figures = []
    with tracker_served(environment, events=True) as url, requests.Session() as client:
        client.headers.update(headers)
        for what, wish in _WISHES.items():
            waits = [_wait(client, f"{url}/api/v1/tasks?{wish}") for _ in range(REPETITIONS)]
            figures.append((what, waits))
        csv_wait = _wait(client, f"{url}/api/v1/tasks?scope=all", accept="text/csv")
    slowest = max(figures, key=lambda figure: statistics.median(figure[1]))
    return [
        *((f"list of tasks: {what}, p50 / worst", _written(waits)) for what, waits in figures),
        (f"the slowest list of {TASKS:,} tasks ({slowest[0]}), p50", f"{1000 * statistics.median(slowest[1]):.0f} ms"),
        (f"all {TASKS:,} tasks as CSV", f"{csv_wait:.1f} s"),
    ]


def _fill(database: ServiceDatabase) -> None:
    connection = psycopg2.connect(database.owner_url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(_COMPANY)
            cursor.execute("VACUUM ANALYZE")
    finally:
        connection.close()


def _wait(client: requests.Session, url: str, accept: str = "application/json") -> float:
    started = time.perf_counter()
    answer = client.get(url, headers={"Accept": accept}, timeout=120)
    wait = time.perf_counter() - started
    if answer.status_code != HTTPStatus.OK:
        raise AssertionError(answer.text)
    return wait


def _written(waits: list[float]) -> str:
    return f"{1000 * statistics.median(waits):.0f} / {1000 * max(waits):.0f} ms"
