"""Runs that give open tasks new assignees, batch by batch.

Runs over all open tasks take turns. Those over the tasks of somebody who was blocked wait for nobody, and nobody waits
for them: such a person's tasks shall not stand still as long as others' runs take.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from uuid import UUID, uuid4

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from chassis.business_clock import business_now
from chassis.db import utc_now
from chassis.people import BLOCKED
from messaging import publish
from tracker_service import events
from tracker_service.commands.draw import CHANCE, read_crowd
from tracker_service.commands.once import made_once
from tracker_service.domain.draw import draw_assignees
from tracker_service.domain.rights import may_reassign
from tracker_service.errors import NotYoursToReassign, ReassignmentNotFound
from tracker_service.models import (
    CAN_BE_ASSIGNED,
    FINISHED,
    HAS_THE_TURN,
    OPEN,
    RUNNING,
    Reassignment,
    Task,
    User,
)

#: Tasks that get their new assignees in one transaction: who completes one of them waits for it, a tenth of a second.
#: Half as many cost 8 % more each and twice the messages; twice as many save nothing (docs/benchmarks.md).
BATCH = 1000

#: A run that has not come further for so long has lost its request.
_PATIENCE = timedelta(minutes=10)

#: Runs started or asked for again in one transaction; the next one follows in a minute.
_RUNS_AT_ONCE = 100
#: Arrays, because a list of VALUES would be compiled anew for each batch, which takes longer than all the rest.
_ASSIGN = text(
    """
    UPDATE tasks SET assignee_id = drawn.assignee_id, assignment_no = assignment_no + 1, version = version + 1
    FROM unnest(CAST(:task_numbers AS bigint[]), CAST(:assignee_ids AS uuid[])) AS drawn (task_number, assignee_id)
    WHERE tasks.id = drawn.task_number
    RETURNING tasks.id, tasks.public_id, tasks.assignee_id, tasks.assignment_no, tasks.version
    """
)
_NOTE_ASSIGNMENTS = text(
    """
    INSERT INTO assignments (task_number, assignment_no, assignee_id, reassignment_id, assigned_at, event_id)
    SELECT task_number, assignment_no, assignee_id, :run_id, :now, event_id
    FROM unnest(CAST(:task_numbers AS bigint[]), CAST(:assignment_nos AS int[]), CAST(:assignee_ids AS uuid[]),
                CAST(:event_ids AS uuid[])) AS drawn (task_number, assignment_no, assignee_id, event_id)
    """
)
#: Names the advisory lock that keeps two processes from giving the same tasks away.
_GIVING_AWAY_LOCK = 7_202
#: Names the advisory lock on the turn of runs over all open tasks: who waits for it is not forgotten when it gets free.
_TURN_LOCK = 7_203


def request_reassignment(session: Session, *, requested_by: UUID, role: str, key: str | None = None) -> Reassignment:
    """Start a run over all tasks that are open now; with a key that was used before, return the run that it started.

    It waits for its turn as long as another one moves. Raises NotYoursToReassign, KeyUsedOtherwise.
    """
    if not may_reassign(role):
        raise NotYoursToReassign
    if key is None:
        return _start_run(session, uuid4(), requested_by=requested_by)

    def start() -> UUID:
        return _start_run(session, uuid4(), requested_by=requested_by).id

    run_id = made_once(session, user_id=requested_by, key=key, what="reassignment", make=start)
    return session.get_one(Reassignment, run_id)


def take_tasks_from(session: Session, user_id: UUID) -> Reassignment | None:
    """Start a run over the open tasks of somebody who was blocked; None when there are none."""
    has_open = select(Task.id).where(Task.assignee_id == user_id, Task.status == OPEN).limit(1)
    if session.scalar(has_open) is None:
        return None
    return _start_run(session, uuid4(), requested_by=None, only_assignee_id=user_id)


def give_away_waiting_tasks(session: Session) -> int:
    """Start a run for each blocked person who still has open tasks; return how many.

    Such tasks wait because nobody could be assigned when their assignee was blocked. They wait on while that is so.
    """
    session.execute(select(func.pg_advisory_xact_lock(_GIVING_AWAY_LOCK)))
    if session.scalar(select(User.user_id).where(CAN_BE_ASSIGNED).limit(1)) is None:
        return 0
    has_open = select(Task.id).where(Task.assignee_id == User.user_id, Task.status == OPEN).exists()
    has_run = (
        select(Reassignment.id)
        .where(Reassignment.status == RUNNING, Reassignment.only_assignee_id == User.user_id)
        .exists()
    )
    waiting = select(User.user_id).where(User.status == BLOCKED, has_open, ~has_run).limit(_RUNS_AT_ONCE)
    user_ids = session.scalars(waiting).all()
    for user_id in user_ids:
        _start_run(session, uuid4(), requested_by=None, only_assignee_id=user_id)
    return len(user_ids)


def give_lost_turn(session: Session) -> None:
    """Let the next run move that waits although none is before it.

    The end of a run gives the turn to the next one in its own transaction. This is for a run that somebody else has
    ended, as an administrator in the database.
    """
    if session.scalar(select(Reassignment.id).where(Reassignment.turn_at.is_(None)).limit(1)) is not None:
        _give_turn(session)


def ask_again(session: Session, *, now: datetime) -> int:
    """Publish the request of each run that stands still once more; return how many there were.

    The request was discarded, is dead, or went with its queue. If it comes back after all it is not obeyed, since a
    newer one has been published. A run that still does not move is asked again after twice the time, and so on: a
    handler that is broken makes a few dead letters, not one every ten minutes.
    """
    standing_still = (
        select(Reassignment)
        .where(
            Reassignment.status == RUNNING,
            Reassignment.asked_at <= now - _PATIENCE,
            Reassignment.asked_at + (Reassignment.asked_at - Reassignment.turn_at) <= now,
        )
        .order_by(Reassignment.asked_at)
        .limit(_RUNS_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    runs = session.scalars(standing_still).all()
    for run in runs:
        _ask(session, run)
    return len(runs)


def reassign_batch(
    session: Session, run_id: UUID, *, sequence: int, random: Random = CHANCE, limit: int = BATCH
) -> Reassignment:
    """Give the next tasks of a run new assignees; ask for the batch after it, or finish. Raises ReassignmentNotFound.

    The cursor is saved in the transaction of the assignments, so a crash repeats a batch as a whole or not at all.
    `sequence` is the request's: only the newest request of a run is obeyed, however often older ones are delivered.
    """
    run = Reassignment.lock_one(session, Reassignment.id == run_id)
    if run is None:
        raise ReassignmentNotFound
    if run.status == FINISHED or run.waits or run.version != sequence:
        return run
    if run.only_assignee_id is not None and not _is_blocked(session, run.only_assignee_id):
        _finish(session, run)  # let in again meanwhile: the tasks stay where they are
        return run
    batch = _lock_batch(session, run, limit)
    crowd = read_crowd(session) if batch else []
    run.nobody_to_assign = bool(batch) and not crowd
    ended = len(batch) < limit or run.nobody_to_assign
    if not ended:
        _ask(session, run)  # it is sent first, and handled while the assignments are still being sent
    if crowd:
        _assign(session, run, batch, draw_assignees(crowd, len(batch), random))
        run.cursor = batch[-1]
        run.done += len(batch)
        run.total = max(run.total, run.done)  # a task may have a lower number and be committed after the request
    if ended:
        _finish(session, run)
    return run


def _is_blocked(session: Session, user_id: UUID) -> bool:
    return session.scalar(select(User.status).where(User.user_id == user_id)) == BLOCKED


def _start_run(
    session: Session, run_id: UUID, *, requested_by: UUID | None, only_assignee_id: UUID | None = None
) -> Reassignment:
    open_tasks = select(func.count(), func.coalesce(func.max(Task.id), 0)).where(Task.status == OPEN)
    if only_assignee_id is not None:
        open_tasks = open_tasks.where(Task.assignee_id == only_assignee_id)
    total, upper_bound = session.execute(open_tasks).one()
    waits = only_assignee_id is None and _lock_turn(session) is not None
    run = Reassignment(
        id=run_id,
        requested_by=requested_by,
        only_assignee_id=only_assignee_id,
        total=total,
        upper_bound=upper_bound,
        started_at=business_now(session),
        asked_at=utc_now(),
    )
    session.add(run)
    session.flush()
    if not waits:
        _begin(session, run)
    return run


def _lock_turn(session: Session) -> UUID | None:
    """Keep the turn as it is until this transaction ends; return the run that has it."""
    session.execute(select(func.pg_advisory_xact_lock(_TURN_LOCK)))
    return session.scalar(select(Reassignment.id).where(HAS_THE_TURN))


def _give_turn(session: Session) -> None:
    """Let the run move that has waited longest, if none has the turn."""
    if _lock_turn(session) is not None:
        return
    waiting = select(Reassignment).where(Reassignment.turn_at.is_(None))
    run = session.scalar(waiting.order_by(Reassignment.started_at, Reassignment.id).limit(1))
    if run is not None:
        _begin(session, run)


def _begin(session: Session, run: Reassignment) -> None:
    run.turn_at = utc_now()
    _ask(session, run)


def _ask(session: Session, run: Reassignment) -> None:
    """Have the next batch handled."""
    run.asked_at = utc_now()
    publish(session, events.reassignment_requested(run, sequence=run.next_sequence()))


def _finish(session: Session, run: Reassignment) -> None:
    now = business_now(session)
    run.status, run.finished_at = FINISHED, now
    publish(session, events.reassignment_finished(run, sequence=run.next_sequence(), finished_at=now))
    if run.only_assignee_id is None:
        session.flush()
        _give_turn(session)


def _lock_batch(session: Session, run: Reassignment, limit: int) -> Sequence[int]:
    """Numbers of the run's next open tasks, locked: a task completed meanwhile drops out."""
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
    drawn = {"task_numbers": list(task_numbers), "assignee_ids": [str(assignee) for assignee in assignees]}
    assigned = session.execute(_ASSIGN, drawn).all()
    now = business_now(session)
    told = []
    for row in sorted(assigned, key=lambda row: row.id):
        event = events.task_assigned(
            row.public_id,
            sequence=row.version,
            assignee_id=row.assignee_id,
            assignment_no=row.assignment_no,
            reassignment_id=run.id,
            assigned_at=now,
        )
        publish(session, event)
        told.append((row, event.id))
    columns = {
        "task_numbers": [row.id for row, _ in told],
        "assignment_nos": [row.assignment_no for row, _ in told],
        "assignee_ids": [str(row.assignee_id) for row, _ in told],
        "event_ids": [str(event_id) for _, event_id in told],
    }
    session.execute(_NOTE_ASSIGNMENTS, {**columns, "run_id": run.id, "now": now})
