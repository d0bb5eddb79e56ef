"""What analytics learns from which event. The table at the foot is its subscription."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from analytics_service import commands
from analytics_service.commands import Balance, Income, Name, Posting
from analytics_service.models import EndedSession, User
from chassis.people import end_session, upsert_user
from messaging import Batch, Event, HandlerTable


def user_changed(session: Session, event: Event) -> None:
    """Names for the people below zero, and who may look at all."""
    upsert_user(session, User, event)


def learn(session: Session, events: Sequence[Event]) -> None:
    """Learn what tasks are called and how money moved; in which order one is told of these does not matter."""
    told: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        told[event.name].append(event)
    named = [*told["tracker.task_created"], *told["tracker.task_updated"]]
    commands.name_tasks(session, map(_name, named))
    commands.count_movements(session, list(map(_posting, told["billing.transaction_posted"])))
    commands.note_balances(session, map(_balance, told["billing.balance_changed"]))
    commands.note_incomes(session, map(_income, told["billing.management_income_changed"]))


_LEARN = Batch(learn)


def user_signed_out(session: Session, event: Event) -> None:
    """What belongs to the session opens nothing any more."""
    end_session(session, EndedSession, event)


def _name(event: Event) -> Name:
    data = event.data
    return Name(task_id=UUID(data["task_id"]), title=data["title"], jira_id=data["jira_id"], sequence=event.sequence)


def _posting(event: Event) -> Posting:
    data = event.data
    return Posting(
        transaction_id=UUID(data["transaction_id"]),
        balance=_balance_of(event, data["balance_after_cents"]),
        kind=data["kind"],
        task_id=UUID(data["task_id"]) if data["task_id"] else None,
        amount_cents=data["amount_cents"],
        business_day=date.fromisoformat(data["business_day"]),
        posted_at=datetime.fromisoformat(data["posted_at"]),
    )


def _balance(event: Event) -> Balance:
    return _balance_of(event, event.data["balance_cents"])


def _balance_of(event: Event, balance_cents: int) -> Balance:
    return Balance(
        account_id=UUID(event.data["account_id"]),
        user_id=UUID(event.data["user_id"]),
        balance_cents=balance_cents,
        sequence=event.sequence,
    )


def _income(event: Event) -> Income:
    data = event.data
    return Income(
        day=date.fromisoformat(data["day"]),
        fees_cents=data["fees_cents"],
        rewards_cents=data["rewards_cents"],
        income_cents=data["income_cents"],
        changed_at=datetime.fromisoformat(data["changed_at"]),
        sequence=event.sequence,
    )


def day_closed(session: Session, event: Event) -> None:
    """Billing's report of a day, to compare our figures with."""
    commands.note_closed_day(
        session,
        date.fromisoformat(event.data["day"]),
        fees_cents=event.data["fees_cents"],
        rewards_cents=event.data["rewards_cents"],
        income_cents=event.data["income_cents"],
        negative_accounts=event.data["negative_accounts"],
        closed_at=datetime.fromisoformat(event.data["closed_at"]),
    )


HANDLERS: HandlerTable = {
    "auth.user_registered": user_changed,
    "auth.user_updated": user_changed,
    "auth.user_role_changed": user_changed,
    "auth.user_blocked": user_changed,
    "auth.user_unblocked": user_changed,
    "auth.user_signed_out": user_signed_out,
    "tracker.task_created": _LEARN,
    "tracker.task_updated": _LEARN,
    "billing.transaction_posted": _LEARN,
    "billing.balance_changed": _LEARN,
    "billing.management_income_changed": _LEARN,
    "billing.day_closed": day_closed,
}
