"""What those who may reassign see of the runs."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tracker_service.domain.rights import may_reassign
from tracker_service.errors import NotYoursToReassign, ReassignmentNotFound
from tracker_service.models import CAN_BE_ASSIGNED, OPEN, Reassignment, Task, User


@dataclass(frozen=True)
class Overview:
    """What those who may reassign see of the whole."""

    open_tasks: int
    #: People among whom an assignee is drawn.
    crowd: int
    latest_run: Reassignment | None


def overview(session: Session) -> Overview:
    """The whole, for those who may reassign."""
    return Overview(
        open_tasks=session.scalar(select(func.count()).where(Task.status == OPEN)) or 0,
        crowd=session.scalar(select(func.count()).select_from(User).where(CAN_BE_ASSIGNED)) or 0,
        latest_run=session.scalar(select(Reassignment).order_by(Reassignment.started_at.desc()).limit(1)),
    )


def reassignment(session: Session, run_id: UUID, *, role: str) -> Reassignment:
    """The progress of a run, for those who may start one. Raises NotYoursToReassign, ReassignmentNotFound."""
    if not may_reassign(role):
        raise NotYoursToReassign
    run = session.get(Reassignment, run_id)
    if run is None:
        raise ReassignmentNotFound
    return run
