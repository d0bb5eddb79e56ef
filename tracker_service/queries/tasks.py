"""What pages and the API show of tasks, in a fixed number of statements however many tasks there are."""

from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, joinedload

from chassis.paging import Order, Page, PageRequest, fetch_page
from tracker_service.errors import TaskNotFound
from tracker_service.models import OPEN, Task


def task(session: Session, task_id: UUID) -> Task:
    """A task with its people, for everyone: billing shows the titles of all tasks anyway. Raises TaskNotFound."""
    found = session.scalar(_tasks().where(Task.public_id == task_id).options(joinedload(Task.creator)))
    if found is None:
        raise TaskNotFound
    return found


def own_tasks(session: Session, owner_id: UUID, *, status: str, page: PageRequest) -> Page[Task]:
    """One's own tasks that are open, or those that are done, newest first."""
    statement = _tasks().where(Task.assignee_id == owner_id, Task.status == status)
    return fetch_page(session, statement, Order((Task.id,), descending=True), page)


def count_open(session: Session, assignee_id: UUID) -> int:
    """How many open tasks a person has."""
    own_open = select(func.count()).where(Task.assignee_id == assignee_id, Task.status == OPEN)
    return session.scalar(own_open) or 0


def _tasks() -> Select[Task]:
    return select(Task).options(joinedload(Task.assignee, innerjoin=True))
