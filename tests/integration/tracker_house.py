"""A tracker on a real database: its API and pages by a test client, its handlers as the consumer calls them."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from flask.testing import FlaskClient
from sqlalchemy import select

from chassis.db import Database, utc_now
from chassis.settings import Settings
from messaging import Event, Observer
from messaging.dispatch import dispatch
from messaging.tables import OutboxEvent
from tests.chassis_parts import bearer, know_keys, page_session
from tests.waiting import somebody_waits_for_a_lock
from tracker_service import queries
from tracker_service.app import create_app
from tracker_service.handlers import HANDLERS
from tracker_service.models import Reassignment, Task


class House:
    """The tracker, the people it has heard of, and what it has published."""

    def __init__(self, settings: Settings) -> None:
        know_keys(settings)
        self.settings = settings
        self.database = Database(settings)
        self.app = create_app(settings, self.database)
        self.roles: dict[UUID, str] = {}
        self._heard_of: dict[UUID, int] = {}
        self._account_events: dict[UUID, int] = {}
        self._balances: dict[UUID, int] = {}

    def close(self) -> None:
        """Let go of the database."""
        self.database.engine.dispose()

    def person(self, role: str = "popug", name: str = "Kesha") -> UUID:
        """Somebody new whom the tracker has heard of."""
        user_id = uuid4()
        self.hear_of(user_id, role=role, name=name)
        return user_id

    def hear_of(
        self,
        user_id: UUID,
        *,
        role: str = "popug",
        status: str = "active",
        name: str = "Kesha",
        event: str = "registered",
    ) -> None:
        """Let auth tell of somebody."""
        self.roles[user_id] = role
        self._heard_of[user_id] = self._heard_of.get(user_id, 0) + 1
        data = {"user_id": str(user_id), "name": name, "email": f"{user_id}@popug.inc", "role": role, "status": status}
        data["changed_at"] = utc_now().isoformat()
        sequence = self._heard_of[user_id]
        self.deliver(Event.new(f"auth.user_{event}.v1", subject=str(user_id), sequence=sequence, data=data))

    def price(self, task_id: str | UUID, *, fee_cents: int = 1500, reward_cents: int = 3535) -> None:
        """Let billing tell what a task costs and brings."""
        prices = {"fee_cents": fee_cents, "reward_cents": reward_cents, "priced_at": utc_now().isoformat()}
        data = {"task_id": str(task_id), **prices}
        self.deliver(Event.new("billing.task_priced.v1", subject=str(task_id), sequence=1, data=data))

    def post(
        self,
        user_id: UUID,
        kind: str,
        amount_cents: int,
        *,
        task_id: str | UUID | None = None,
        cause: UUID | None = None,
        day: date | None = None,
    ) -> Event:
        """Let billing tell of a movement on somebody's account, as the employee sees it."""
        sequence = self._account_events[user_id] = self._account_events.get(user_id, 0) + 1
        balance = self._balances[user_id] = self._balances.get(user_id, 0) + amount_cents
        event = Event.new(
            "billing.transaction_posted.v1",
            subject=str(user_id),
            sequence=sequence,
            data={
                "transaction_id": str(uuid4()),
                "account_id": str(user_id),
                "user_id": str(user_id),
                "kind": kind,
                "task_id": str(task_id) if task_id else None,
                "amount_cents": amount_cents,
                "balance_after_cents": balance,
                "business_day": (day or utc_now().date()).isoformat(),
                "posted_at": utc_now().isoformat(),
                "cause_event_id": str(cause) if cause else None,
            },
        )
        self.deliver(event)
        return event

    def tell_balance(self, user_id: UUID) -> None:
        """Let billing tell what somebody's account holds after all movements so far."""
        balance = {"balance_cents": self._balances.get(user_id, 0), "changed_at": utc_now().isoformat()}
        self._tell("balance_changed", user_id, business_day=self.today().isoformat(), **balance)

    def carry_debt(self, user_id: UUID, balance_cents: int, *, day: date) -> None:
        """Let billing tell of a debt that goes from this day on to the next."""
        carried_at = utc_now().isoformat()
        self._tell("balance_carried", user_id, day=day.isoformat(), balance_cents=balance_cents, carried_at=carried_at)

    def close_day(self, day: date) -> None:
        """Let billing tell that a business day is closed."""
        sums = ("fees", "rewards", "income", "payouts")
        data: dict[str, Any] = {"day": day.isoformat(), **{f"{name}_cents": 0 for name in sums}, "payouts_count": 0}
        data |= {"negative_accounts": 0, "closed_at": utc_now().isoformat()}
        self.deliver(Event.new("billing.day_closed.v1", subject=day.isoformat(), sequence=1, data=data))

    def today(self) -> date:
        """The business day that it is."""
        with self.database.reading() as session:
            return queries.current_day(session)

    def _tell(self, name: str, user_id: UUID, **data: Any) -> None:
        sequence = self._account_events[user_id] = self._account_events.get(user_id, 0) + 1
        data |= {"account_id": str(user_id), "user_id": str(user_id)}
        self.deliver(Event.new(f"billing.{name}.v1", subject=str(user_id), sequence=sequence, data=data))

    def deliver(self, *events: Event) -> None:
        """Handle events in one transaction, as the consumer does; it does not look whether they are known."""
        registry = self.database.registry
        for event in events:
            registry.validate(event)
        with self.database.transaction() as session:
            dispatch(HANDLERS, session, [registry.upcast(event) for event in events], Observer())

    def published(self, name: str = "") -> list[Event]:
        """The events in the outbox, of one name or all, in the order in which they will be sent."""
        with self.database.reading() as session:
            bodies = session.scalars(select(OutboxEvent.body).order_by(OutboxEvent.id)).all()
        events = [Event.from_bytes(body) for body in bodies]
        return [event for event in events if not name or event.name == f"tracker.{name}"]

    def work_through(self, run_id: UUID) -> Iterator[Event]:
        """Deliver the tracker's commands to itself until the run has ended; yields after each."""
        done = 0
        while True:
            requests = [e for e in self.published("reassignment_requested") if e.subject == str(run_id)]
            if len(requests) == done:
                return
            self.deliver(requests[done])
            done += 1
            yield requests[done - 1]

    def run(self, run_id: UUID) -> Reassignment:
        """A run as it stands now."""
        with self.database.reading() as session:
            return session.get_one(Reassignment, run_id)

    def tasks(self) -> list[Task]:
        """All tasks, oldest first."""
        with self.database.reading() as session:
            return list(session.scalars(select(Task).order_by(Task.id)))

    def somebody_waits_for_a_lock(self) -> bool:
        """Whether a transaction waits for another one."""
        return somebody_waits_for_a_lock(self.database.engine)

    def api(self, user_id: UUID) -> "Api":
        """The REST API as this person calls it."""
        return Api(self.app.test_client(), bearer(sub=str(user_id), role=self.roles.get(user_id, "popug")))

    def browser(self, user_id: UUID) -> FlaskClient:
        """A browser in which this person is signed in."""
        self.app.config["WTF_CSRF_ENABLED"] = False
        client = self.app.test_client()
        with client.session_transaction() as cookie:
            cookie.update(page_session(user_id, role=self.roles.get(user_id, "popug")))
        return client


class Api:
    """Requests with somebody's token."""

    def __init__(self, client: FlaskClient, headers: dict[str, str]) -> None:
        self._client = client
        self._headers = headers

    def get(self, path: str, **headers: str) -> Any:
        return self._client.get(f"/api/v1{path}", headers=self._with(headers))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._client.post(f"/api/v1{path}", json=body, headers=self._with(headers))

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self._client.patch(f"/api/v1{path}", json=body, headers=self._with(headers))

    def _with(self, headers: dict[str, str]) -> dict[str, str]:
        return self._headers | {name.replace("_", "-"): value for name, value in headers.items()}

    def create(self, title: str = "Fly", **words: Any) -> dict[str, Any]:
        """A new task, as the API shows it."""
        answer = self.post("/tasks", {"title": title, **words})
        assert answer.status_code == 201, answer.json
        return dict(answer.json)
