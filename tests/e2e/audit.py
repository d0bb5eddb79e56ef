"""What has to be true of a system that has come to rest, whatever happened to it before; read from its databases."""

import importlib
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg2
import requests
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from analytics_service.queries import reconcile
from billing_service.queries import verify
from chassis.db import engine_url, utc_now
from deploy.settings import CONSUMING_SERVICES
from tests.e2e.broker import queues
from tests.e2e.load import Accepted
from tests.waiting import eventually

Run = dict[str, Any]


@dataclass(frozen=True)
class Written:
    """An event in its producer's outbox."""

    id: str
    type: str
    subject: str
    sequence: int
    published: bool

    @property
    def name(self) -> str:
        """The type without its version: what a subscription names."""
        return self.type.rpartition(".v")[0]


def pending(run: Run, service: str) -> int:
    """Return how many events of the service the broker has not confirmed."""
    ((count,),) = _rows(run, service, "SELECT count(*) FROM outbox WHERE published_at IS NULL")
    return int(count)


def under_way(run: Run) -> list[str]:
    """Tell what has yet to happen before the system is at rest; nothing when every event had all its effects.

    The inboxes are read before the outboxes: what is handled between the two looks is taken as not yet handled.
    """
    try:
        handled = {service: _inbox(run, service) for service in CONSUMING_SERVICES}
        events = {service: list(_outbox(run, service)) for service in run["databases"]}
        return [*_not_done(events, handled), *_not_ready(run)]
    except (psycopg2.OperationalError, requests.RequestException) as error:
        return [f"a server cannot be reached: {error}"]


def check_events(run: Run) -> None:
    """Every event stands in its line without a gap and was handled by every subscriber; nothing is left lying about."""
    events = {service: list(_outbox(run, service)) for service in run["databases"]}
    for service, written in events.items():
        lines: dict[str, list[int]] = defaultdict(list)
        for event in written:  # in the order in which they are published
            lines[event.subject].append(event.sequence)
        gaps = {subject: line for subject, line in lines.items() if line != list(range(1, len(line) + 1))}
        assert gaps == {}, service
    for service in CONSUMING_SERVICES:
        wanted = [event.id for event in _subscribed(service, events)]
        assert sorted(_inbox(run, service)) == sorted(wanted), service
    eventually(lambda: _nothing_lies_about(run))


def check_replicas(run: Run) -> None:
    """Everybody knows the people as auth does, and the last word on each is the one that was heard last."""
    columns = "name, email, role, status"
    people = _rows(run, "auth", f"SELECT id, {columns}, version FROM users ORDER BY id")
    for service in CONSUMING_SERVICES:
        assert _rows(run, service, f"SELECT user_id, {columns}, sequence FROM users ORDER BY user_id") == people, (
            service
        )


def check_money(run: Run) -> None:
    """Each assignment was charged once, each completion paid once, to whom they name; the books balance everywhere."""
    assigned = _told(run, "task_assigned")
    assert _posted(run, "fee") == sorted((e["task_id"], e["assignment_no"], e["assignee_id"]) for e in assigned)
    completed = _told(run, "task_completed")
    assert _posted(run, "reward") == sorted((e["task_id"], None, e["assignee_id"]) for e in completed)
    with _session(run, "billing") as session:
        assert verify(session) == []
    with _session(run, "analytics") as session:
        assert reconcile(session, utc_now() + timedelta(days=1)) == []  # then everything of today counts as at rest
    entries = """SELECT entry.transaction_id, account_id, entry.amount_cents FROM ledger_entries entry
                 JOIN accounts ON accounts.id = account_id AND accounts.kind = 'employee' ORDER BY 1, 2"""
    movements = "SELECT transaction_id, account_id, amount_cents FROM movements ORDER BY 1, 2"
    assert _rows(run, "analytics", movements) == _rows(run, "billing", entries)


def check_accepted(run: Run, accepted: Accepted) -> None:
    """Everything that somebody was promised is there, once."""
    tasks = _rows(run, "tracker", "SELECT title, public_id, status FROM tasks")
    titles = [title for title, _, _ in tasks]
    assert len(set(titles)) == len(titles)
    assert accepted.tasks.items() <= {title: task_id for title, task_id, _ in tasks}.items()
    assert set(accepted.completed) <= {task_id for _, task_id, status in tasks if status == "done"}
    runs = {row[0] for row in _rows(run, "tracker", "SELECT id FROM reassignments WHERE status = 'finished'")}
    assert set(accepted.reassignments) <= runs
    users = dict(_rows(run, "auth", "SELECT id, status FROM users"))
    assert accepted.users.items() <= users.items()


def contents(run: Run, service: str) -> dict[str, set[tuple[Any, ...]]]:
    """Return every row of every table of the service's own, but for what the clock alone deletes."""
    tables = importlib.import_module(f"{service}_service.models").Base.metadata.tables.keys() - {"ended_sessions"}
    return {table: set(_rows(run, service, f"SELECT * FROM {table}")) for table in tables}


def _nothing_lies_about(run: Run) -> bool:
    """Only what nobody reads may be kept. A copy of an event that was handled before may still be on its way."""
    assert [queue for queue in queues(run) if queue.messages != 0 and queue.name != "ates.unread"] == []
    for service in run["databases"]:
        for leftovers in ("held_message WHERE state NOT IN ('discarded', 'replayed')",):
            assert _rows(run, service, f"SELECT * FROM {leftovers}") == [], f"{leftovers} of {service}"
    return True


def _not_done(events: dict[str, list[Written]], handled: dict[str, list[str]]) -> Iterator[str]:
    for service, written in events.items():
        pending = sum(not event.published for event in written)
        if pending:
            yield f"{pending} events of {service} are not published"
    for service, done in handled.items():
        left = {event.id for event in _subscribed(service, events)}.difference(done)
        if left:
            yield f"{len(left)} events were not handled by {service}"


def _not_ready(run: Run) -> Iterator[str]:
    for process in run["processes"]:
        if "health" in process:
            answer = requests.get(f"{process['health']}/readyz", timeout=5)
            if not answer.ok:
                yield f"{process['name']} is not ready: {answer.text}"


def _subscribed(service: str, events: dict[str, list[Written]]) -> list[Written]:
    handlers = importlib.import_module(f"{service}_service.handlers").HANDLERS
    return [event for written in events.values() for event in written if event.name in handlers]


def _outbox(run: Run, service: str) -> Iterator[Written]:
    columns = "event_id, type, subject, sequence, published_at IS NOT NULL"
    return (Written(*row) for row in _rows(run, service, f"SELECT {columns} FROM outbox ORDER BY id"))


def _inbox(run: Run, service: str) -> list[str]:
    return [event_id for (event_id,) in _rows(run, service, "SELECT event_id FROM inbox")]


def _told(run: Run, event: str) -> list[Any]:
    """Return the data of all events of this kind that the tracker published."""
    bodies = _rows(run, "tracker", f"SELECT body FROM outbox WHERE type LIKE 'tracker.{event}.v%%'")
    return [json.loads(bytes(body))["data"] for (body,) in bodies]


def _posted(run: Run, kind: str) -> list[tuple[Any, ...]]:
    """Return task, assignment and employee of each movement of this kind."""
    movements = f"""SELECT task_id, assignment_no, accounts.user_id FROM ledger_transactions movement
                    JOIN ledger_entries entry ON entry.transaction_id = movement.id
                    JOIN accounts ON accounts.id = entry.account_id AND accounts.kind = 'employee'
                    WHERE movement.kind = '{kind}'"""
    return sorted(_rows(run, "billing", movements))


def _rows(run: Run, service: str, statement: str) -> list[tuple[Any, ...]]:
    """Ask the service's database, as its owner; ids come as text."""
    database = run["databases"][service]
    with closing(psycopg2.connect(database, connect_timeout=5)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


@contextmanager
def _session(run: Run, service: str) -> Iterator[Session]:
    engine = create_engine(engine_url(run["databases"][service]))
    try:
        with Session(engine) as session:
            yield session
    finally:
        engine.dispose()
