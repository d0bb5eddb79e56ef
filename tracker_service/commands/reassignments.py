"""Runs that give open tasks new assignees, batch by batch."""

from collections.abc import Sequence
from random import Random
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Uuid, column, func, select, update, values
from sqlalchemy.orm import Session

from chassis.db import utc_now
from messaging import publish
from tracker_service import events
from tracker_service.commands.draw import read_crowd
from tracker_service.commands.once import first_made
from tracker_service.domain.draw import draw_assignees
from tracker_service.domain.rights import may_reassign
from tracker_service.errors import NotYoursToReassign, ReassignmentNotFound
from tracker_service.models import FINISHED, OPEN, Reassignment, Task

#: Tasks that get their new assignees in one transaction: small enough that nobody who completes a task waits for long.
BATCH = 500

_random = Random()


def request_reassignment(session: Session, *, requested_by: UUID, role: str, key: str | None = None) -> Reassignment:
    """Start a run over all tasks that are open now; with a key that was used before, return the run that it started.

    Raises NotYoursToReassign, KeyUsedOtherwise.
    """
    if not may_reassign(role):
        raise NotYoursToReassign
    run_id = uuid4()
    if key is not None:
        request = ("reassignment",)
        first_id = first_made(session, user_id=requested_by, key=key, request=request, new_id=run_id, now=utc_now())
        if first_id != run_id:
            return session.get_one(Reassignment, first_id)
    return _start_run(session, run_id, requested_by=requested_by)


def take_tasks_from(session: Session, user_id: UUID) -> Reassignment | None:
    """Start a run over the open tasks of somebody who was blocked; None when there are none."""
    has_open = select(Task.id).where(Task.assignee_id == user_id, Task.status == OPEN).limit(1)
    if session.scalar(has_open) is None:
        return None
    return _start_run(session, uuid4(), requested_by=None, only_assignee_id=user_id)


def reassign_batch(
    session: Session, run_id: UUID, *, sequence: int, random: Random = _random, limit: int = BATCH
) -> Reassignment:
    """Give the next tasks of a run new assignees; ask for the batch after it, or finish. Raises ReassignmentNotFound.

    The cursor is saved in the transaction of the assignments, so a crash repeats a batch as a whole or not at all.
    `sequence` is the request's: only the newest request of a run is obeyed, however often older ones are delivered.
    """
    run = session.get(Reassignment, run_id, with_for_update=True, populate_existing=True)
    if run is None:
        raise ReassignmentNotFound
    if run.status == FINISHED or run.version != sequence:
        return run
    task_numbers = _lock_batch(session, run, limit)
    if task_numbers:
        crowd = read_crowd(session)
        run.nobody_to_assign = not crowd
        if crowd:
            _assign(session, run, task_numbers, draw_assignees(crowd, len(task_numbers), random))
            run.cursor = task_numbers[-1]
            run.done += len(task_numbers)
    if len(task_numbers) < limit or run.nobody_to_assign:
        _finish(session, run)
    else:
        publish(session, events.reassignment_requested(run, sequence=run.next_version()))
    return run


def _start_run(
    session: Session, run_id: UUID, *, requested_by: UUID | None, only_assignee_id: UUID | None = None
) -> Reassignment:
    open_tasks = select(func.count(), func.coalesce(func.max(Task.id), 0)).where(Task.status == OPEN)
    if only_assignee_id is not None:
        open_tasks = open_tasks.where(Task.assignee_id == only_assignee_id)
    total, upper_bound = session.execute(open_tasks).one()
    run = Reassignment(
        id=run_id,
        requested_by=requested_by,
        only_assignee_id=only_assignee_id,
        total=total,
        upper_bound=upper_bound,
        started_at=utc_now(),
    )
    session.add(run)
    session.flush()
    publish(session, events.reassignment_requested(run, sequence=run.next_version()))
    return run


def _finish(session: Session, run: Reassignment) -> None:
    now = utc_now()
    run.status, run.finished_at = FINISHED, now
    publish(session, events.reassignment_finished(run, sequence=run.next_version(), finished_at=now))


def _lock_batch(session: Session, run: Reassignment, limit: int) -> Sequence[int]:
    """The numbers of the run's next open tasks, locked: a task completed meanwhile drops out."""
    batch = (
        select(Task.id)
        .where(Task.status == OPEN, Task.id > run.cursor, Task.id <= run.upper_bound)
        .order_by(Task.id)
        .limit(limit)
        .with_for_update(key_share=True)
    )
    if run.only_assignee_id is not None:
        batch = batch.where(Task.assignee_id == run.only_assignee_id)
    return session.scalars(batch).all()


def _assign(session: Session, run: Reassignment, task_numbers: Sequence[int], assignees: Sequence[UUID]) -> None:
    """Assign all in one statement, and tell of each."""
    drawn = values(column("id", BigInteger), column("assignee_id", Uuid), name="drawn").data(
        list(zip(task_numbers, assignees, strict=True))
    )
    assigned = session.execute(
        update(Task)
        .where(Task.id == drawn.c.id)
        .values(
            assignee_id=drawn.c.assignee_id,
            assignment_no=Task.assignment_no + 1,
            version=Task.version + 1,
        )
        .returning(Task.id, Task.public_id, Task.assignee_id, Task.assignment_no, Task.version),
        execution_options={"synchronize_session": False},
    ).all()
    now = utc_now()
    for row in sorted(assigned, key=lambda row: row.id):
        publish(
            session,
            events.task_assigned(
                row.public_id,
                sequence=row.version,
                assignee_id=row.assignee_id,
                assignment_no=row.assignment_no,
                reassignment_id=run.id,
                assigned_at=now,
            ),
        )
