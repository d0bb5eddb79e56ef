"""Analytics is rebuilt from the outboxes of all services, by the command that an operator gives.

`ATES_BENCH_REBUILD_EVENTS` is the number of events that analytics is to hear, 100,000 unless it says otherwise.
"""

import io
import json
import os
import statistics
import subprocess
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy import func, select

from analytics_service import queries
from analytics_service.domain.calendar import Period, Span
from analytics_service.handlers import HANDLERS
from analytics_service.models import Account, Movement, Task
from chassis.db import Database, utc_now
from chassis.settings import load_settings
from deploy.settings import REPOSITORY, SERVICES
from messaging import Event, SchemaRegistry
from tests.benchmarks.company import FIRST_DAY, Company
from tests.benchmarks.servers import Servers
from tests.benchmarks.services import command, open_services, service_process

EVENTS = int(os.environ.get("ATES_BENCH_REBUILD_EVENTS", "100000"))
#: Rows copied into an outbox at once.
_ROWS = 5_000
_COPY = "COPY outbox (event_id, type, subject, sequence, correlation_id, body, created_at, published_at) FROM STDIN"
#: Seconds between two looks at the process.
_LOOK = 0.5
_MB = 1024


@dataclass(frozen=True)
class _Run:
    """One rebuild."""

    seconds: float
    #: Of the process that sends and handles, in MB: after a tenth of the time, and the most it ever had.
    memory_at_first: float
    memory_peak: float
    #: Processes that wanted a core meanwhile, all those of the machine, as the kernel averages them over a minute.
    load: float
    #: Seconds of a core that the process took itself.
    own: float


def rebuild_from_all_events(servers: Servers) -> list[tuple[str, str]]:
    """Publish a company's history, and rebuild analytics from it twice: from nothing, and once it is full."""
    environment, databases = open_services(servers, *SERVICES)
    urls = {service: database.owner_url for service, database in databases.items()}
    company = Company()
    published = _publish(company, urls)
    heard = sum(number for name, number in published.items() if name in HANDLERS)
    rows = [
        (f"analytics hears, of {published.total():,} events in the outboxes of three services", f"{heard:,} events")
    ]
    with service_process("analytics", "consumer", environment):  # which pauses meanwhile
        for what in ("analytics, rebuilt for the first time", "analytics, rebuilt when it has all of it"):
            run = _rebuild(environment, heard)
            _check(environment, company)
            rows += [
                (what, f"{heard / run.seconds:,.0f} events/s, {run.seconds / 60:.1f} minutes"),
                ("the same, memory after a tenth of the time / at most", _memory(run)),
                ("the same, cores taken by the replay / load of the machine", f"{run.own:.2f} / {run.load:.1f}"),
            ]
    return rows


def _memory(run: _Run) -> str:
    return f"{run.memory_at_first:.0f} / {run.memory_peak:.0f} MB"


def _publish(company: Company, urls: Mapping[str, str]) -> Counter[str]:
    """Write into the outboxes what the company tells, until analytics has enough to hear; return how much of what."""
    registry = SchemaRegistry.load(REPOSITORY / "event_schemas")
    published: Counter[str] = Counter()
    heard = 0
    with ExitStack() as stack:
        outboxes = {}
        for service, url in urls.items():
            outboxes[service] = _Outbox(stack.enter_context(closing(psycopg2.connect(url))))
        for told in company.history():
            for event in told:
                registry.validate(event)
                outboxes[event.producer].add(event)
                published[event.name] += 1
                heard += event.name in HANDLERS
            if heard >= EVENTS:
                break
        for outbox in outboxes.values():
            outbox.finish()
    return published


class _Outbox:
    """Events in it are committed and published."""

    def __init__(self, connection: "psycopg2.extensions.connection") -> None:
        connection.autocommit = True
        self._cursor = connection.cursor()
        self._rows: list[str] = []
        self._total = 0

    def add(self, event: Event) -> None:
        about = (event.id, event.type, event.subject, event.sequence, event.correlation_id)
        body, at = rf"\\x{event.to_bytes().hex()}", event.time.isoformat()
        self._rows.append("\t".join(map(str, (*about, body, at, at))))
        if len(self._rows) == _ROWS:
            self._write()

    def finish(self) -> None:
        self._write()
        self._cursor.execute("UPDATE relay_progress SET published_total = %s", (self._total,))
        self._cursor.execute("VACUUM ANALYZE outbox")

    def _write(self) -> None:
        self._cursor.copy_expert(_COPY, io.StringIO("\n".join(self._rows)))
        self._total += len(self._rows)
        self._rows.clear()


def _rebuild(environment: Mapping[str, str], heard: int) -> _Run:
    words = command("analytics", "replay", "--rebuild", "--yes", "--json")
    memory: list[dict[str, float]] = []
    loads: list[float] = []
    before = os.times()
    with subprocess.Popen(words, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            memory.append(_memory_of(status))
            loads.append(os.getloadavg()[0])
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK)
        answer, _ = process.communicate()
    after = os.times()
    report = json.loads(answer)
    if report["outcomes"] != {"done": heard}:
        raise AssertionError(f"not all of {heard} events were handled: {report}")
    own = after.children_user + after.children_system - before.children_user - before.children_system
    return _Run(
        report["seconds"],
        memory[len(memory) // 10]["VmRSS"],
        max(each["VmHWM"] for each in memory if each),
        statistics.median(loads),
        own / report["seconds"],
    )


def _memory_of(status: Path) -> dict[str, float]:
    """Return what a process has in memory and the most it ever had, in MB; nothing once it has ended."""
    lines = (line.split() for line in status.read_text().splitlines())
    return {words[0][:-1]: int(words[1]) / _MB for words in lines if words[0] in ("VmRSS:", "VmHWM:")}


def _check(environment: Mapping[str, str], company: Company) -> None:
    """Compare what analytics shows with what the company has told of. Raises AssertionError."""
    database = Database(load_settings("analytics", environment))
    span = Span(FIRST_DAY, max(company.days))
    with database.reading() as session:
        shown = {
            "income and accounts below zero": [
                (row.day, row.income_cents, row.negative_accounts) for row in queries.days(session, span)
            ],
            "most expensive tasks": [
                (row.period_start, row.reward_cents, row.task and (row.task.id, row.task.title))
                for row in queries.top(session, span, Period.DAY)
            ],
            "balances": dict(session.execute(select(Account.account_id, Account.balance_cents)).tuples().all()),
            "movements": session.scalar(select(func.count()).select_from(Movement)),
            "tasks": session.scalar(select(func.count()).select_from(Task)),
            "differences from billing": list(queries.reconcile(session, utc_now())),
        }
    database.engine.dispose()
    for what, expected in _expected(company).items():
        if shown[what] != expected:
            raise AssertionError(f"{what}: {shown[what]} and not {expected}")


def _expected(company: Company) -> dict[str, Any]:
    days = company.days.items()
    moved = [account for account in company.accounts if account.moved]
    return {
        "income and accounts below zero": [(day, of.income_cents, of.negative_accounts) for day, of in days],
        "most expensive tasks": [
            (day, of.top and of.top.reward_cents, of.top and (of.top.task_id, of.top.title)) for day, of in days
        ],
        "balances": {account.account_id: account.balance_cents for account in moved},
        "movements": company.movements,
        "tasks": company.tasks,
        "differences from billing": [],
    }
