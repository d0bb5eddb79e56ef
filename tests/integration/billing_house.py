"""A billing service for tests: a migrated database of its own, events to feed it, and what one wants to know of it."""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from random import Random
from typing import Any
from uuid import UUID, uuid4

from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from billing_service import commands, queries
from billing_service.app import create_app
from billing_service.config import BillingSettings
from billing_service.handlers import HANDLERS
from billing_service.jobs import close_days, close_days_up_to
from billing_service.models import Account
from billing_service.queries import DayReport
from billing_service.queries.reports import LINES
from chassis.db import Database
from chassis.paging import PageRequest
from chassis.settings import REPOSITORY
from messaging import Event, Observer
from messaging.dispatch import dispatch
from tests.business_clock import BusinessClock
from tests.chassis_parts import bearer, know_keys, page_session
from tests.integration.service_processes import variables

#: Noon in Moscow.
NOON = datetime(2026, 11, 21, 9, tzinfo=UTC)
DAY = date(2026, 11, 21)
ONE_DAY = timedelta(days=1)


class House:
    """The service without its processes. The clock of its database stands still: at noon, or where it was set last."""

    def __init__(self, settings: BillingSettings) -> None:
        know_keys(settings)
        self.settings = settings
        self.database = Database(settings)
        self.clock = BusinessClock(settings, self.database, NOON)
        self.app = create_app(settings, self.database)
        self.roles: dict[UUID, str] = {}

    def dispose(self) -> None:
        """Let go of the database."""
        self.database.engine.dispose()

    def person(self, role: str = "popug", name: str = "Rio", *, at: datetime = NOON) -> UUID:
        """Somebody whom auth has told of."""
        user_id = someone()
        self.roles[user_id] = role
        self.handle(user(user_id, name=name, role=role), at=at)
        return user_id

    def api(self, user_id: UUID) -> "Api":
        """The REST API as this person calls it."""
        return Api(self.app.test_client(), user_id, self.roles.get(user_id, "popug"))

    def browser(self, user_id: UUID) -> FlaskClient:
        """A browser in which this person is signed in."""
        self.app.config["WTF_CSRF_ENABLED"] = False
        client = self.app.test_client()
        with client.session_transaction() as cookie:
            cookie.update(page_session(user_id, role=self.roles.get(user_id, "popug"), name="Rio"))
        return client

    def handle(self, *events: Event, at: datetime = NOON) -> None:
        """Handle the events in one transaction, as a batch of the consumer, at this moment."""
        self.clock.set(at)
        with self.database.transaction() as session:
            for event in events:
                handle(session, event)

    def close(self, day: date, *, at: datetime, confirmed_from: date | None = None) -> list[date]:
        """Close the day and all before it."""
        self.clock.set(at)
        return close_days_up_to(self.database, day, confirmed_from=confirmed_from)

    def robot(self, *, at: datetime) -> None:
        """Let the robot look."""
        self.clock.set(at)
        close_days(self.database)

    def report(self, day: date) -> DayReport:
        with self.database.reading() as session:
            return queries.day_report(session, day, page=PageRequest(LINES))

    def post(self, user_id: UUID, cents: int, *, at: datetime = NOON) -> None:
        """Move money without a task: the quickest way to a certain balance."""
        self.clock.set(at)
        with self.database.transaction() as session:
            books = commands.open_books(session)
            commands.post_correction(session, books, user_id=user_id, amount_cents=cents, note="test", by=user_id)

    def post_to_new(self, user_id: UUID, cents: int) -> None:
        """Let somebody in with a certain balance."""
        self.handle(user(user_id))
        self.post(user_id, cents)

    def balance(self, user_id: UUID) -> int:
        with self.database.reading() as session:
            return session.scalars(select(Account.balance_cents).where(Account.user_id == user_id)).one() or 0

    def rows(self, sql: str, **values: Any) -> Sequence[Any]:
        with self.database.reading() as session:
            return session.execute(text(sql), values).all()

    def events(self, name: str | None = None) -> list[Event]:
        """The events published so far, in the order in which they are sent."""
        published = [Event.from_bytes(bytes(row.body)) for row in self.rows("SELECT body FROM outbox ORDER BY id")]
        return [event for event in published if name is None or event.name == f"billing.{name}"]

    def problems(self) -> list[str]:
        with self.database.reading() as session:
            return [str(problem) for problem in queries.verify(session)]


class Api:
    """Requests with somebody's token."""

    def __init__(self, client: FlaskClient, user_id: UUID, role: str) -> None:
        self._client = client
        self._user_id = user_id
        self._role = role

    def get(self, path: str) -> Any:
        return self._client.get(f"/api/v1{path}", headers=self._headers())

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._client.post(f"/api/v1{path}", json=body, headers=self._headers() | sent)

    def put(self, path: str, body: Any) -> Any:
        return self._client.put(f"/api/v1{path}", json=body, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        return bearer(sub=str(self._user_id), role=self._role)


def operator(house: House, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as an operator does."""
    command = [sys.executable, "-m", "billing_service", *words]
    told = os.environ | variables(house.settings)
    return subprocess.run(command, cwd=REPOSITORY, env=told, capture_output=True, text=True, check=False)


def handle(session: Session, event: Event) -> None:
    dispatch(HANDLERS, session, [event], Observer())


def user(
    user_id: UUID, *, sequence: int = 1, name: str = "Rio", role: str = "popug", status: str = "active", kind: str = ""
) -> Event:
    default = "user_registered" if status == "active" else "user_blocked"
    data = {
        "user_id": str(user_id),
        "name": name,
        "email": f"{name.lower()}@uberpopug.example",
        "role": role,
        "status": status,
        "changed_at": NOON.isoformat(),
        "external_id": None,
    }
    return Event.new(f"auth.{kind or default}.v1", subject=str(user_id), sequence=sequence, data=data)


def created(task_id: UUID, *, title: str = "Eat a nut") -> Event:
    data = {
        "task_id": str(task_id),
        "title": title,
        "jira_id": "POPUG-1",
        "description": f"{title}, slowly",
        "created_by": str(UUID(int=1)),
        "created_at": NOON.isoformat(),
    }
    return Event.new("tracker.task_created.v2", subject=str(task_id), sequence=1, data=data)


def updated(task_id: UUID, *, sequence: int, title: str) -> Event:
    data = {
        "task_id": str(task_id),
        "title": title,
        "jira_id": None,
        "description": f"{title}, quickly",
        "updated_at": NOON.isoformat(),
    }
    return Event.new("tracker.task_updated.v1", subject=str(task_id), sequence=sequence, data=data)


def assigned(task_id: UUID, user_id: UUID, *, number: int = 1) -> Event:
    data = {
        "task_id": str(task_id),
        "assignee_id": str(user_id),
        "assignment_no": number,
        "reassignment_id": None,
        "assigned_at": NOON.isoformat(),
    }
    return Event.new("tracker.task_assigned.v1", subject=str(task_id), sequence=number + 1, data=data)


def completed(task_id: UUID, user_id: UUID, *, sequence: int = 9) -> Event:
    data = {"task_id": str(task_id), "assignee_id": str(user_id), "completed_at": NOON.isoformat()}
    return Event.new("tracker.task_completed.v1", subject=str(task_id), sequence=sequence, data=data)


@dataclass
class History:
    """What people did in a while, as the events about it in the order in which it happened."""

    random: Random
    people: list[UUID] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    fees: int = 0
    rewards: int = 0


def history(random: Random, *, people: int, tasks: int) -> History:
    """Make up a history: people come, tasks are created, renamed, reassigned now and then, and some are completed."""

    def new_id() -> UUID:
        return UUID(int=random.getrandbits(128), version=4)

    made = History(random, [new_id() for _ in range(people)])
    made.events += [user(person, name=f"Popug{number}") for number, person in enumerate(made.people)]
    for _ in range(tasks):
        task_id, versions = new_id(), count(2)
        assignee = random.choice(made.people)
        made.events += [created(task_id), assigned(task_id, assignee, number=1)]
        made.fees += 1
        next(versions)
        for number in range(2, random.randint(2, 4)):
            assignee = random.choice(made.people)
            made.events.append(assigned(task_id, assignee, number=number))
            made.fees += 1
            next(versions)
        if random.random() < 0.3:
            made.events.append(updated(task_id, sequence=next(versions), title="Crack a nut"))
        if random.random() < 0.6:
            made.events.append(completed(task_id, assignee, sequence=next(versions)))
            made.rewards += 1
    return made


def batches(random: Random, events: Iterable[Event]) -> Iterable[list[Event]]:
    """Cut the events into batches of chance size."""
    rest = list(events)
    while rest:
        size = random.randint(1, 20)
        yield rest[:size]
        rest = rest[size:]


def someone() -> UUID:
    return uuid4()
