"""Analytics on a real database, and a billing that makes up a history for it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from random import Random
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import select

from analytics_service import commands
from analytics_service.app import create_app
from analytics_service.handlers import HANDLERS
from analytics_service.models import Base, ClockOffset
from chassis.db import Database
from chassis.settings import Settings
from messaging import Event, Observer
from messaging.dispatch import dispatch
from tests.business_clock import BusinessClock
from tests.chassis_parts import bearer, know_keys, page_session

ADMIN = UUID(int=1)


class House:
    """Analytics, with events delivered as the consumer delivers them but for the inbox: nothing is deduplicated."""

    def __init__(self, settings: Settings, *, at: datetime) -> None:
        know_keys(settings)
        self.database = Database(settings)
        self.clock = BusinessClock(settings, self.database, at)
        self.app = create_app(settings, self.database)

    def close(self) -> None:
        """Let go of the database."""
        self.database.engine.dispose()

    def deliver(self, *events: Event) -> None:
        """Handle the events in one transaction, in the order given."""
        with self.database.transaction() as session:
            for event in events:
                self.database.registry.validate(event)
            dispatch(HANDLERS, session, map(self.database.registry.upcast, events), Observer())

    def empty(self) -> None:
        """Forget everything, as before a rebuild."""
        with self.database.transaction() as session:
            commands.forget_everything(session)

    def contents(self) -> dict[str, set[tuple[Any, ...]]]:
        """Every row of every table of what analytics has learnt."""
        with self.database.reading() as session:
            return {
                table.name: {tuple(row) for row in session.execute(select(table))}
                for table in Base.metadata.sorted_tables
                if table.name != ClockOffset.__tablename__
            }

    def get(self, path: str, role: str = "admin") -> Any:
        """Ask the REST API."""
        headers = bearer(sub=str(ADMIN), role=role)
        return self.app.test_client().get(f"/api/v1{path}", headers=headers)

    def browser(self, role: str = "admin") -> FlaskClient:
        """A browser in which somebody of that role is signed in."""
        client = self.app.test_client()
        with client.session_transaction() as cookie:
            cookie.update(page_session(ADMIN, role=role))
        return client


@dataclass
class Billing:
    """Books as billing keeps them, and the events that it would publish about them."""

    events: list[Event] = field(default_factory=list)
    #: Movements by account and business day, in cents.
    moved: dict[UUID, list[tuple[date, int]]] = field(default_factory=lambda: defaultdict(list))
    money: dict[date, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    _sequences: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def name(self, task: int, title: str, jira_id: str | None = None) -> None:
        """The tracker tells what a task is called: the first time it is created, then updated."""
        task_id, at = str(UUID(int=task)), "2026-11-01T09:00:00Z"
        words = {"task_id": task_id, "title": title, "jira_id": jira_id, "description": ""}
        if f"tracker/{task_id}" in self._sequences:
            self._tell("tracker.task_updated.v1", task_id, {**words, "updated_at": at})
        else:
            created = {**words, "created_by": str(ADMIN), "created_at": at}
            self._tell("tracker.task_created.v2", task_id, created)

    def fee(self, account: int, day: date, cents: int, task: int = 1) -> None:
        """Charge for an assignment."""
        self._post(account, "fee", day, -cents, task)

    def reward(self, account: int, day: date, cents: int, task: int = 1, at: datetime | None = None) -> None:
        """Pay for a completion."""
        self._post(account, "reward", day, cents, task, at)

    def close(self, day: date) -> None:
        """Pay out what is positive, by the balance of the day, and report the day."""
        for account, balance in self.balances(day).items():
            if balance > 0:
                self._post(account.int, "payout", day, -balance, None)
        fees, rewards = self.money[day]
        negative = sum(balance < 0 for balance in self.balances(day).values())
        report = {"day": day.isoformat(), "fees_cents": fees, "rewards_cents": rewards, "income_cents": fees - rewards}
        report |= {"payouts_count": 0, "payouts_cents": 0, "negative_accounts": negative}
        self._tell("billing.day_closed.v1", day.isoformat(), {**report, "closed_at": _noon(day).isoformat()})

    def balances(self, day: date) -> dict[UUID, int]:
        """The balance of every account at the end of the day."""
        return {
            account: sum(cents for moved, cents in movements if moved <= day)
            for account, movements in self.moved.items()
        }

    def income(self, day: date) -> int:
        """Fees minus rewards."""
        fees, rewards = self.money[day]
        return fees - rewards

    def _post(
        self, account: int, kind: str, day: date, cents: int, task: int | None, at: datetime | None = None
    ) -> None:
        account_id, at = UUID(int=account), at or _noon(day)
        self.moved[account_id].append((day, cents))
        balance = sum(moved for _, moved in self.moved[account_id])
        who = {"account_id": str(account_id), "user_id": str(UUID(int=account + 1000))}
        self._tell(
            "billing.transaction_posted.v1",
            str(account_id),
            {
                **who,
                "transaction_id": str(UUID(int=10_000 + len(self.events))),
                "kind": kind,
                "task_id": str(UUID(int=task)) if task else None,
                "amount_cents": cents,
                "balance_after_cents": balance,
                "business_day": day.isoformat(),
                "posted_at": at.isoformat(),
                "cause_event_id": None,
            },
        )
        changed = {**who, "balance_cents": balance, "business_day": day.isoformat(), "changed_at": at.isoformat()}
        self._tell("billing.balance_changed.v1", str(account_id), changed)
        if kind == "payout":
            return
        self.money[day][0 if kind == "fee" else 1] += abs(cents)
        fees, rewards = self.money[day]
        income = {"fees_cents": fees, "rewards_cents": rewards, "income_cents": fees - rewards}
        self._tell(
            "billing.management_income_changed.v1",
            day.isoformat(),
            {"day": day.isoformat(), **income, "changed_at": at.isoformat()},
        )

    def _tell(self, type_: str, subject: str, data: dict[str, Any]) -> None:
        aggregate = f"{type_.partition('.')[0]}/{subject}"
        self._sequences[aggregate] += 1
        self.events.append(Event.new(type_, subject=subject, sequence=self._sequences[aggregate], data=data))


def made_up_history(random: Random, days: Sequence[date]) -> Billing:
    """A few tasks and accounts over these days. The first day is closed on the second one, the others stay open."""
    billing = Billing()
    for task in (1, 2, 3):
        billing.name(task, f"Task {task}")
    for number, day in enumerate(days):
        for task in random.sample((1, 2, 3), 2):
            account = random.randint(1, 3)
            billing.fee(account, day, random.randint(1000, 2000), task)
            if random.random() < 0.6:
                billing.reward(account, day, random.choice((2000, 3000)), task=100 * number + task)
        if number == 1:
            billing.close(days[0])
    billing.name(1, "Task 1, renamed", "POPUG-1")
    return billing


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
