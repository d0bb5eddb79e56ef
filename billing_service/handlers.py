"""What billing does about events. The table at the foot is its subscription.

Events come in any order and more than once; whoever is first to tell of a task prices it, whoever is first to tell of
a person opens their account, so none of these ever waits for another.
"""

from uuid import UUID

from sqlalchemy.orm import Session

from billing_service import commands
from billing_service.models import EndedSession, User
from chassis.people import BLOCKED, end_session, upsert_user
from messaging import Event, HandlerTable


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
            cause_event_id=event.id,
        )


def user_signed_out(session: Session, event: Event) -> None:
    """What belongs to the session opens nothing any more."""
    end_session(session, EndedSession, event)


def task_worded(session: Session, event: Event) -> None:
    """A task was created or has new words: it is priced if nobody has told of it before."""
    task_id = UUID(event.data["task_id"])
    commands.price_task(session, commands.open_books(session), task_id)
    commands.note_words(
        session,
        task_id,
        title=event.data["title"],
        jira_id=event.data["jira_id"],
        description=event.data["description"],
        sequence=event.sequence,
    )


def task_assigned(session: Session, event: Event) -> None:
    """Every assignment is charged at once, to whom the event names."""
    books = commands.open_books(session)
    task_id = UUID(event.data["task_id"])
    commands.charge_fee(
        session,
        books,
        commands.price_task(session, books, task_id),
        task_id=task_id,
        assignment_no=event.data["assignment_no"],
        assignee_id=UUID(event.data["assignee_id"]),
        cause_event_id=event.id,
    )


def task_completed(session: Session, event: Event) -> None:
    """A completion is paid at once, to whom the event names."""
    books = commands.open_books(session)
    task_id = UUID(event.data["task_id"])
    commands.pay_reward(
        session,
        books,
        commands.price_task(session, books, task_id),
        task_id=task_id,
        assignee_id=UUID(event.data["assignee_id"]),
        cause_event_id=event.id,
    )


HANDLERS: HandlerTable = {
    "auth.user_registered": user_changed,
    "auth.user_updated": user_changed,
    "auth.user_role_changed": user_changed,
    "auth.user_blocked": user_changed,
    "auth.user_unblocked": user_changed,
    "auth.user_signed_out": user_signed_out,
    "tracker.task_created": task_worded,
    "tracker.task_updated": task_worded,
    "tracker.task_assigned": task_assigned,
    "tracker.task_completed": task_completed,
}
