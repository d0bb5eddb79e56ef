"""What analytics learns from which event. The table at the foot is its subscription."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from analytics_service import commands
from analytics_service.commands import Balance, Income, Name, Posting, Report
from analytics_service.models import EndedSession, User
from chassis.people import end_session, upsert_user
from messaging import Batch, Event, HandlerTable


def learn(session: Session, events: Sequence[Event]) -> None:
    """Learn who there is, what tasks are called and how money moved.

    In which order one is told of these does not matter, so all that follow each other are learnt at once.
    """
    told: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        told[event.name].append(event)
    for name in _OF_USERS:
        for event in told[name]:
            upsert_user(session, User, event)
    for event in told["auth.user_signed_out"]:
        end_session(session, EndedSession, event)
    named = [*told["tracker.task_created"], *told["tracker.task_updated"]]
    commands.name_tasks(session, map(_name, named))
    commands.note_money(
        session,
        [_posting(event) for event in told["billing.transaction_posted"]],
        [_balance_of(event, event.data["balance_cents"]) for event in told["billing.balance_changed"]],
    )
    commands.note_incomes(session, map(_income, told["billing.management_income_changed"]))
    commands.note_closed_days(session, map(_closed_day, told["billing.day_closed"]))


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


def _closed_day(event: Event) -> Report:
    data = event.data
    return Report(
        day=date.fromisoformat(data["day"]),
        fees_cents=data["fees_cents"],
        rewards_cents=data["rewards_cents"],
        income_cents=data["income_cents"],
        negative_accounts=data["negative_accounts"],
        closed_at=datetime.fromisoformat(data["closed_at"]),
    )


_OF_USERS = (
    "auth.user_registered",
    "auth.user_updated",
    "auth.user_role_changed",
    "auth.user_blocked",
    "auth.user_unblocked",
)
_LEARN = Batch(learn)

HANDLERS: HandlerTable = {
    **dict.fromkeys(_OF_USERS, _LEARN),
    "auth.user_signed_out": _LEARN,
    "tracker.task_created": _LEARN,
    "tracker.task_updated": _LEARN,
    "billing.transaction_posted": _LEARN,
    "billing.balance_changed": _LEARN,
    "billing.management_income_changed": _LEARN,
    "billing.day_closed": _LEARN,
}
