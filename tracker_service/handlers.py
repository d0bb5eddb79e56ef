"""What the tracker does about events. The table at the foot is its subscription."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from chassis.people import BLOCKED, end_session, upsert_user
from messaging import Batch, Event, HandlerTable, PermanentError
from tracker_service import commands
from tracker_service.domain.draw import can_be_assigned
from tracker_service.errors import ReassignmentNotFound
from tracker_service.models import EndedSession, User


def user_changed(session: Session, event: Event) -> None:
    """Every event about a user carries the whole user; a blocked one's tasks go to others.

    It does not matter which event tells of the block first: it may be a later change of the name. The first person who
    can be assigned gets what waits for one.
    """
    user_id, status = UUID(event.data["user_id"]), event.data["status"]
    assignable = can_be_assigned(role=event.data["role"], status=status)
    if not assignable:
        commands.close_the_draw(session)
    if not upsert_user(session, User, event):
        return
    if status == BLOCKED:
        commands.take_tasks_from(session, user_id)
    elif assignable and commands.is_first_to_assign(session, user_id):
        commands.give_away_waiting_tasks(session)


def user_signed_out(session: Session, event: Event) -> None:
    """What belongs to the session opens nothing any more."""
    end_session(session, EndedSession, event)


def money_told(session: Session, events: Sequence[Event]) -> None:
    """What tasks are to cost and to earn, what they did, and what accounts hold: for showing."""
    told: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        told[event.name].append(event)
    commands.note_prices(session, map(_prices, told["billing.task_priced"]))
    commands.note_movements(session, list(map(_posting, told["billing.transaction_posted"])))
    commands.note_balances(session, map(_holding, told["billing.balance_changed"]))


_MONEY = Batch(money_told)


def _prices(event: Event) -> commands.Prices:
    return commands.Prices(
        task_id=UUID(event.data["task_id"]),
        fee_cents=event.data["fee_cents"],
        reward_cents=event.data["reward_cents"],
        priced_at=datetime.fromisoformat(event.data["priced_at"]),
    )


def _posting(event: Event) -> commands.Posting:
    data = event.data
    return commands.Posting(
        transaction_id=UUID(data["transaction_id"]),
        user_id=UUID(data["user_id"]),
        kind=data["kind"],
        task_id=UUID(data["task_id"]) if data["task_id"] else None,
        amount_cents=data["amount_cents"],
        business_day=date.fromisoformat(data["business_day"]),
        posted_at=datetime.fromisoformat(data["posted_at"]),
        cause_event_id=UUID(data["cause_event_id"]) if data["cause_event_id"] else None,
    )


def _holding(event: Event) -> commands.Holding:
    return commands.Holding(
        user_id=UUID(event.data["user_id"]),
        balance_cents=event.data["balance_cents"],
        sequence=event.sequence,
    )


def balance_carried(session: Session, event: Event) -> None:
    """A debt goes on to the next day: its parrot is told."""
    commands.note_carried_debt(
        session,
        UUID(event.data["user_id"]),
        day=date.fromisoformat(event.data["day"]),
        balance_cents=event.data["balance_cents"],
        carried_at=datetime.fromisoformat(event.data["carried_at"]),
    )


def day_closed(session: Session, event: Event) -> None:
    """The next business day has begun."""
    commands.note_closed_day(session, date.fromisoformat(event.data["day"]))


def reassignment_requested(session: Session, event: Event) -> None:
    """One batch of a run in this transaction; what remains is asked for by the next event."""
    try:
        commands.reassign_batch(session, UUID(event.data["reassignment_id"]), sequence=event.sequence)
    except ReassignmentNotFound as error:
        raise PermanentError(f"no reassignment {event.data['reassignment_id']} was ever started here") from error


HANDLERS: HandlerTable = {
    "auth.user_registered": user_changed,
    "auth.user_updated": user_changed,
    "auth.user_role_changed": user_changed,
    "auth.user_blocked": user_changed,
    "auth.user_unblocked": user_changed,
    "auth.user_signed_out": user_signed_out,
    "billing.task_priced": _MONEY,
    "billing.transaction_posted": _MONEY,
    "billing.balance_changed": _MONEY,
    "billing.balance_carried": balance_carried,
    "billing.day_closed": day_closed,
    "tracker.reassignment_requested": reassignment_requested,
}
