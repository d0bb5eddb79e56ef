"""What pages and the API show of tasks, in a fixed number of statements however many tasks there are."""

from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, joinedload

from chassis.paging import Order, Page, PageRequest, fetch_page
from tracker_service.errors import TaskNotFound
from tracker_service.models import DONE, OPEN, Movement, Task, TaskEdit, User


def task(session: Session, task_id: UUID) -> Task:
    """A task with its people, for everyone: billing shows the titles of all tasks anyway. Raises TaskNotFound."""
    found = session.scalar(_tasks().where(Task.public_id == task_id).options(joinedload(Task.creator)))
    if found is None:
        raise TaskNotFound
    return found


def task_version(session: Session, task_id: UUID) -> str:
    """What changes whenever the page of a task does: one statement, which finds all of it by an index.

    Raises TaskNotFound.
    """
    money = select(func.count()).where(Movement.task_id == task_id).scalar_subquery()
    state = select(Task.version, Task.priced_at, User.sequence, money).where(
        Task.public_id == task_id, User.user_id == Task.assignee_id
    )
    found = session.execute(state).one_or_none()
    if found is None:
        raise TaskNotFound
    return "-".join(str(part).replace(" ", "T") for part in found)


def count_edits(session: Session, task: Task) -> int:
    """How many times the task's words were changed."""
    return session.scalar(select(func.count()).where(TaskEdit.task_number == task.id)) or 0


def own_open_tasks(session: Session, owner_id: UUID, *, page: PageRequest) -> Page[Task]:
    """One's own open tasks, oldest first: what is new comes to the end, and moves nothing that is looked at."""
    mine = select(Task).where(Task.assignee_id == owner_id, Task.status == OPEN)
    return fetch_page(session, mine, Order((Task.id,)), page)


def own_done_tasks(session: Session, owner_id: UUID, *, page: PageRequest) -> Page[Task]:
    """One's own completed tasks, the last completed one first."""
    mine = select(Task).where(Task.assignee_id == owner_id, Task.status == DONE)
    return fetch_page(session, mine, Order((Task.completed_at, Task.id), descending=True), page)


def _tasks() -> Select[Task]:
    return select(Task).options(joinedload(Task.assignee, innerjoin=True))


def count_open(session: Session, assignee_id: UUID) -> int:
    """How many open tasks a person has."""
    own_open = select(func.count()).where(Task.assignee_id == assignee_id, Task.status == OPEN)
    return session.scalar(own_open) or 0
