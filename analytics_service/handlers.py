"""What analytics learns from which event. The table at the foot is its subscription."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from analytics_service import commands
from analytics_service.commands import Posting
from analytics_service.models import EndedSession, User
from chassis.people import end_session, upsert_user
from messaging import Event, HandlerTable


def user_changed(session: Session, event: Event) -> None:
    """Names for the people below zero, and who may look at all."""
    upsert_user(session, User, event)


def user_signed_out(session: Session, event: Event) -> None:
    """What belongs to the session opens nothing any more."""
    end_session(session, EndedSession, event)


def task_named(session: Session, event: Event) -> None:
    """A new task, or new words for one."""
    commands.name_task(
        session,
        UUID(event.data["task_id"]),
        title=event.data["title"],
        jira_id=event.data["jira_id"],
        sequence=event.sequence,
    )


def transaction_posted(session: Session, event: Event) -> None:
    """A movement: fees, rewards (so completed tasks), payouts."""
    data = event.data
    commands.count_movement(
        session,
        Posting(
            transaction_id=UUID(data["transaction_id"]),
            account_id=UUID(data["account_id"]),
            user_id=UUID(data["user_id"]),
            kind=data["kind"],
            task_id=UUID(data["task_id"]) if data["task_id"] else None,
            amount_cents=data["amount_cents"],
            balance_after_cents=data["balance_after_cents"],
            business_day=date.fromisoformat(data["business_day"]),
            posted_at=datetime.fromisoformat(data["posted_at"]),
            sequence=event.sequence,
        ),
    )


def balance_changed(session: Session, event: Event) -> None:
    """The balance of an account now."""
    commands.note_balance(
        session,
        UUID(event.data["account_id"]),
        user_id=UUID(event.data["user_id"]),
        balance_cents=event.data["balance_cents"],
        sequence=event.sequence,
    )


def management_income_changed(session: Session, event: Event) -> None:
    """The totals of a day so far."""
    commands.note_income(
        session,
        date.fromisoformat(event.data["day"]),
        fees_cents=event.data["fees_cents"],
        rewards_cents=event.data["rewards_cents"],
        income_cents=event.data["income_cents"],
        changed_at=datetime.fromisoformat(event.data["changed_at"]),
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
    "tracker.task_created": task_named,
    "tracker.task_updated": task_named,
    "billing.transaction_posted": transaction_posted,
    "billing.balance_changed": balance_changed,
    "billing.management_income_changed": management_income_changed,
    "billing.day_closed": day_closed,
}
