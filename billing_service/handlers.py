"""What billing does about events. The table at the foot is its subscription.

Events come in any order and more than once; whoever is first to tell of a task prices it, whoever is first to tell of
a person opens their account, so none of these ever waits for another.
"""

from collections.abc import Sequence
from operator import attrgetter
from uuid import UUID

from sqlalchemy.orm import Session

from billing_service import commands
from billing_service.commands import Movement, Words
from billing_service.domain import ledger
from billing_service.domain.pricing import Prices
from billing_service.models import EndedSession, User
from chassis.people import BLOCKED, end_session, upsert_user
from messaging import Batch, Event, HandlerTable, InOrder


def user_changed(session: Session, event: Event) -> None:
    """An account for everyone; a blocked person's is paid out and closed.

    It does not matter which event tells of the block first: it may be a later change of the name.
    """
    books = commands.open_books(session)
    if upsert_user(session, User, event):
        commands.follow_user(
            session,
            books,
            UUID(event.data["user_id"]),
            blocked=event.data["status"] == BLOCKED,
            sequence=event.sequence,
            cause=event,
        )


def user_signed_out(session: Session, event: Event) -> None:
    """What belongs to the session opens nothing any more."""
    end_session(session, EndedSession, event)


def tasks_changed(session: Session, events: Sequence[Event]) -> None:
    """Price, charge and pay all that the tracker tells of, in the order in which it tells.

    Every task is priced when it is first heard of, every assignment is charged and every completion is paid at once,
    to whom the event names.
    """
    books = commands.open_books(session)
    prices = commands.price_tasks(session, books, {_task(event): event for event in reversed(events)})
    worded = {_task(event): event for event in sorted(events, key=attrgetter("sequence")) if event.name in _WORDED}
    if worded:
        commands.note_words(session, [_words(event) for event in worded.values()])
    commands.post_for_tasks(
        session, books, [_MOVED[event.name](event, prices[_task(event)]) for event in events if event.name in _MOVED]
    )


def _task(event: Event) -> UUID:
    return UUID(event.data["task_id"])


def _words(event: Event) -> Words:
    return Words(
        task_id=_task(event),
        title=event.data["title"],
        jira_id=event.data["jira_id"],
        description=event.data["description"],
        sequence=event.sequence,
    )


def _fee(event: Event, prices: Prices) -> Movement:
    return Movement(
        transaction=ledger.fee(prices.fee_cents),
        user_id=UUID(event.data["assignee_id"]),
        task_id=_task(event),
        assignment_no=event.data["assignment_no"],
        cause=event,
    )


def _reward(event: Event, prices: Prices) -> Movement:
    return Movement(
        transaction=ledger.reward(prices.reward_cents),
        user_id=UUID(event.data["assignee_id"]),
        task_id=_task(event),
        cause=event,
    )


_WORDED = ("tracker.task_created", "tracker.task_updated")
_MOVED = {"tracker.task_assigned": _fee, "tracker.task_completed": _reward}
_TASKS = Batch(tasks_changed)

HANDLERS: HandlerTable = {
    "auth.user_registered": user_changed,
    "auth.user_updated": user_changed,
    "auth.user_role_changed": user_changed,
    "auth.user_blocked": user_changed,
    "auth.user_unblocked": user_changed,
    "auth.user_signed_out": user_signed_out,
    # What moves money, or says how much, waits behind what died of the same task.
    "tracker.task_created": InOrder(_TASKS),
    "tracker.task_updated": _TASKS,
    "tracker.task_assigned": InOrder(_TASKS),
    "tracker.task_completed": InOrder(_TASKS),
}
