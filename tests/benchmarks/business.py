"""From the commit in the tracker to the ledger entry in billing, on an idle system of real processes."""

import statistics
import time
from contextlib import ExitStack, closing
from uuid import UUID, uuid4

import psycopg2

from chassis.db import Database
from chassis.settings import load_settings
from tests.benchmarks.servers import Servers
from tests.benchmarks.services import open_services, service_process
from tracker_service.commands import create_task
from tracker_service.models import User

TASKS = 300
WARM_UP = 20
#: Seconds between two tasks: the system is idle again by then.
PAUSE = 0.03


def latency_from_commit_to_ledger(servers: Servers) -> list[tuple[str, str]]:
    """Create tasks by the tracker's own command; look for the fee in billing's ledger until it is there."""
    environment, databases = open_services(servers, "tracker", "billing")
    with ExitStack() as stack:
        for service, process in (("billing", "consumer"), ("tracker", "relay")):
            stack.enter_context(service_process(service, process, environment))
        waits = _measure(environment, databases["billing"].owner_url)
    return [
        ("commit in the tracker to the ledger entry in billing, idle, p50", f"{statistics.median(waits):.1f} ms"),
        ("the same, p99", f"{statistics.quantiles(waits, n=100)[98]:.1f} ms"),
    ]


def _measure(environment: dict[str, str], billing_url: str) -> list[float]:
    """Return milliseconds, one for each task after the warm-up."""
    database = Database(load_settings("tracker", environment))
    worker = uuid4()
    with database.transaction() as session:
        session.add(
            User(user_id=worker, name="Kesha", email="kesha@x.example", role="popug", status="active", sequence=1)
        )
    waits = []
    with closing(psycopg2.connect(billing_url)) as billing:
        billing.autocommit = True
        for n in range(WARM_UP + TASKS):
            with database.transaction() as session:
                task = create_task(session, creator_id=worker, title=f"Polish perch {n}")
            committed = time.perf_counter()
            _wait_for_fee(billing, task.public_id)
            waits.append((time.perf_counter() - committed) * 1000)
            time.sleep(PAUSE)
    return waits[WARM_UP:]


def _wait_for_fee(billing: "psycopg2.extensions.connection", task_id: UUID) -> None:
    deadline = time.monotonic() + 30
    with billing.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT 1 FROM ledger_transactions WHERE task_id = %s AND kind = 'fee'", (str(task_id),))
            if cursor.fetchone():
                return
            time.sleep(0.0005)
    raise TimeoutError(f"no fee for task {task_id} within 30 s")
