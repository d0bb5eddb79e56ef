"""The events that the tracker publishes. A task's or a run's version is the event's sequence."""

from datetime import datetime
from uuid import UUID

from messaging import Event
from tracker_service.models import Reassignment, Task


def task_created(task: Task, *, sequence: int) -> Event:
    """A new task, in version 2: with its Jira key beside a title without brackets."""
    return Event.new(
        "tracker.task_created.v2",
        subject=str(task.public_id),
        sequence=sequence,
        data={
            "task_id": str(task.public_id),
            "title": task.title,
            "jira_id": task.jira_id,
            "description": task.description,
            "created_by": str(task.created_by),
            "created_at": task.created_at.isoformat(),
        },
    )


def task_updated(task: Task, *, sequence: int, updated_at: datetime) -> Event:
    """A task's words changed."""
    return Event.new(
        "tracker.task_updated.v1",
        subject=str(task.public_id),
        sequence=sequence,
        data={
            "task_id": str(task.public_id),
            "title": task.title,
            "jira_id": task.jira_id,
            "description": task.description,
            "updated_at": updated_at.isoformat(),
        },
    )


def task_assigned(
    task_id: UUID,
    *,
    sequence: int,
    assignee_id: UUID,
    assignment_no: int,
    reassignment_id: UUID | None,
    assigned_at: datetime,
) -> Event:
    """A task got an assignee: billing charges for each of these."""
    return Event.new(
        "tracker.task_assigned.v1",
        subject=str(task_id),
        sequence=sequence,
        data={
            "task_id": str(task_id),
            "assignee_id": str(assignee_id),
            "assignment_no": assignment_no,
            "reassignment_id": str(reassignment_id) if reassignment_id else None,
            "assigned_at": assigned_at.isoformat(),
        },
    )


def task_completed(task: Task, *, sequence: int, completed_at: datetime) -> Event:
    """A task was completed by the assignee of that moment, who is paid for it."""
    return Event.new(
        "tracker.task_completed.v1",
        subject=str(task.public_id),
        sequence=sequence,
        data={
            "task_id": str(task.public_id),
            "assignee_id": str(task.assignee_id),
            "completed_at": completed_at.isoformat(),
        },
    )


def reassignment_requested(run: Reassignment, *, sequence: int) -> Event:
    """The tracker's command to itself: draw assignees for the next batch of this run."""
    return Event.new(
        "tracker.reassignment_requested.v1",
        subject=str(run.id),
        sequence=sequence,
        data={
            "reassignment_id": str(run.id),
            "requested_by": str(run.requested_by) if run.requested_by else None,
            "only_assignee_id": str(run.only_assignee_id) if run.only_assignee_id else None,
            "requested_at": run.started_at.isoformat(),
        },
    )


def reassignment_finished(run: Reassignment, *, sequence: int, finished_at: datetime) -> Event:
    """A run ended, whether or not every task got a new assignee."""
    return Event.new(
        "tracker.reassignment_finished.v1",
        subject=str(run.id),
        sequence=sequence,
        data={
            "reassignment_id": str(run.id),
            "total": run.total,
            "reassigned": run.done,
            "finished_at": finished_at.isoformat(),
        },
    )
