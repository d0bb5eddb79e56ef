"""What pages and the API show of tasks, in a fixed number of statements however many tasks there are."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload

from chassis.paging import Order, Page, PageRequest, fetch_page
from tracker_service.domain.rights import may_list_tasks_of
from tracker_service.errors import NotYoursToList, TaskNotFound
from tracker_service.models import DONE, OPEN, Task


def task(session: Session, task_id: UUID) -> Task:
    """A task with its people, for everyone: billing shows the titles of all tasks anyway. Raises TaskNotFound."""
    found = session.scalar(_tasks().where(Task.public_id == task_id).options(joinedload(Task.creator)))
    if found is None:
        raise TaskNotFound
    return found


def tasks_of(
    session: Session,
    assignee_id: UUID,
    *,
    viewer_id: UUID,
    role: str,
    page: PageRequest,
    status: str | None = None,
    among: Sequence[UUID] | None = None,
) -> Page[Task]:
    """A person's tasks, newest first. Raises NotYoursToList."""
    if not may_list_tasks_of(assignee_id, viewer_id=viewer_id, role=role):
        raise NotYoursToList
    return _page(session, _tasks().where(Task.assignee_id == assignee_id), status, among, page)


def own_open_tasks(session: Session, owner_id: UUID, *, page: PageRequest) -> Page[Task]:
    """One's own open tasks, the oldest first: what is new comes to the end, and moves nothing that is looked at."""
    mine = select(Task).where(Task.assignee_id == owner_id, Task.status == OPEN)
    return fetch_page(session, mine, Order((Task.id,)), page)


def own_done_tasks(session: Session, owner_id: UUID, *, page: PageRequest) -> Page[Task]:
    """One's own completed tasks, the last completed one first."""
    mine = select(Task).where(Task.assignee_id == owner_id, Task.status == DONE)
    return fetch_page(session, mine, Order((Task.completed_at, Task.id), descending=True), page)


def tasks_by_ids(session: Session, ids: Sequence[UUID], *, page: PageRequest, status: str | None = None) -> Page[Task]:
    """The tasks of these ids, whoever has them; ids that no task has are left out."""
    return _page(session, _tasks(), status, ids, page)


def _tasks() -> Select[Task]:
    return select(Task).options(joinedload(Task.assignee, innerjoin=True))


def _page(
    session: Session,
    statement: Select[Task],
    status: str | None,
    among: Sequence[UUID] | None,
    page: PageRequest,
) -> Page[Task]:
    if status is not None:
        statement = statement.where(Task.status == status)
    if among is not None:
        statement = statement.where(Task.public_id.in_(among))
    return fetch_page(session, statement, Order((Task.id,), descending=True), page)
