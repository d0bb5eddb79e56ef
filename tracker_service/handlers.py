"""What the tracker does about events. The table at the foot is its subscription."""

from uuid import UUID

from sqlalchemy.orm import Session

from chassis.people import BLOCKED, end_session, upsert_user
from messaging import Event, HandlerTable, PermanentError
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


def task_priced(session: Session, event: Event) -> None:
    """Prices for showing. Of a task that is not the tracker's own there is nothing to show."""
    commands.price_task(
        session,
        UUID(event.data["task_id"]),
        fee_cents=event.data["fee_cents"],
        reward_cents=event.data["reward_cents"],
    )


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
    "billing.task_priced": task_priced,
    "tracker.reassignment_requested": reassignment_requested,
}
