"""Creating, changing and completing a task."""

from collections.abc import Container
from random import Random
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.business_clock import business_now
from chassis.errors import ServiceError
from messaging import publish
from tracker_service import events
from tracker_service.commands.draw import CHANCE, draw_one
from tracker_service.commands.once import made_once
from tracker_service.domain.rights import may_edit
from tracker_service.domain.text import TaskText, task_text
from tracker_service.errors import (
    NotYoursToComplete,
    NotYoursToEdit,
    TaskChanged,
    TaskIsDone,
    TaskNotFound,
    TaskReassigned,
)
from tracker_service.models import DONE, Assignment, Task, TaskEdit, User
from tracker_service.queries import count_edits


def create_task(
    session: Session,
    *,
    creator_id: UUID,
    title: str,
    jira_id: str | None = None,
    description: str = "",
    key: str | None = None,
    random: Random = CHANCE,
) -> Task:
    """Create a task and draw its assignee; with a key that was used before, return the task that it created.

    Raises InvalidTask, NobodyToAssign when there is nobody to draw, KeyUsedOtherwise.
    """
    words = task_text(title, jira_id, description)
    if key is None:
        return _create(session, words, creator_id, random)

    def make() -> UUID:
        return _create(session, words, creator_id, random).public_id

    return _locked_task(session, made_once(session, user_id=creator_id, key=key, what=vars(words), make=make))


def _create(session: Session, words: TaskText, creator_id: UUID, random: Random) -> Task:
    now = business_now(session)
    task = Task(
        public_id=uuid4(),
        title=words.title,
        jira_id=words.jira_id,
        description=words.description,
        created_by=creator_id,
        assignee_id=draw_one(session, random),
        assignment_no=1,
        created_at=now,
    )
    session.add(task)
    publish(session, events.task_created(task, sequence=task.next_sequence()))
    assigned = events.task_assigned(
        task.public_id,
        sequence=task.next_sequence(),
        assignee_id=task.assignee_id,
        assignment_no=task.assignment_no,
        reassignment_id=None,
        assigned_at=now,
    )
    publish(session, assigned)
    session.flush()  # with both events counted: the row is written once
    session.add(
        Assignment(
            task_number=task.id,
            assignment_no=task.assignment_no,
            assignee_id=task.assignee_id,
            assigned_at=now,
            event_id=assigned.id,
        )
    )
    return task


def update_task(
    session: Session,
    task_id: UUID,
    *,
    editor_id: UUID,
    role: str,
    title: str | None = None,
    jira_id: str | None = None,
    description: str | None = None,
    unless_changed: Container[str] | None = None,
    unless_edited: int | None = None,
) -> Task:
    """Change a task's words; None leaves a word as it is, an empty `jira_id` takes the key away.

    Nothing is published when nothing changed. `unless_changed`: only if the task is at one of these versions.
    `unless_edited`: only if its words were changed so many times, whatever else has happened to it.
    Raises TaskNotFound, NotYoursToEdit, TaskChanged, InvalidTask.
    """
    task = _locked_task(session, task_id)
    if not may_edit(creator_id=task.created_by, assignee_id=task.assignee_id, editor_id=editor_id, role=role):
        raise NotYoursToEdit
    _check_unchanged(task, unless_changed)
    if unless_edited is not None and unless_edited != count_edits(session, task):
        raise TaskChanged
    words = task_text(
        task.title if title is None else title,
        task.jira_id if jira_id is None else jira_id,
        task.description if description is None else description,
    )
    before = {word: getattr(task, word) for word, now in vars(words).items() if getattr(task, word) != now}
    if before:
        now = business_now(session)
        task.title, task.jira_id, task.description = words.title, words.jira_id, words.description
        after = {word: getattr(words, word) for word in before}
        session.add(TaskEdit(task_number=task.id, edited_by=editor_id, edited_at=now, before=before, after=after))
        publish(session, events.task_updated(task, sequence=task.next_sequence(), updated_at=now))
    return task


def complete_task(session: Session, task_id: UUID, *, by: UUID, unless_changed: Container[str] | None = None) -> Task:
    """Mark one's own open task done. `unless_changed`: only if the task is at one of these versions.

    Raises TaskNotFound, TaskReassigned, NotYoursToComplete, TaskIsDone, TaskChanged.
    The row's lock settles the race with a reassignment: whoever is the assignee when the lock is had, is paid.
    """
    task = _locked_task(session, task_id)
    if task.assignee_id != by:
        raise _not_the_assignee(session, task, by)
    if task.status == DONE:
        raise TaskIsDone
    _check_unchanged(task, unless_changed)
    now = business_now(session)
    task.status, task.completed_at = DONE, now
    publish(session, events.task_completed(task, sequence=task.next_sequence(), completed_at=now))
    return task


def _check_unchanged(task: Task, versions: Container[str] | None) -> None:
    if versions is not None and str(task.version) not in versions:
        raise TaskChanged


def _not_the_assignee(session: Session, task: Task, user_id: UUID) -> ServiceError:
    """Tell those who had the task before a reassignment from those who never had it."""
    had_it = select(Assignment.assignment_no).where(
        Assignment.task_number == task.id, Assignment.assignee_id == user_id
    )
    if session.scalar(had_it.limit(1)) is None:
        return NotYoursToComplete()
    return TaskReassigned(task.title, task.assignee_id, session.get_one(User, task.assignee_id).name)


def _locked_task(session: Session, task_id: UUID) -> Task:
    task = Task.lock_one(session, Task.public_id == task_id)
    if task is None:
        raise TaskNotFound
    return task
