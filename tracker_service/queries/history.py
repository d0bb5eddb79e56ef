"""What happened to a task: from the tracker's records, and from what billing told of its money."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CompoundSelect,
    DateTime,
    Integer,
    Select,
    SQLColumnExpression,
    String,
    Uuid,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased

from chassis.paging import Order, Page, PageRequest, fetch_page
from tracker_service.domain.people import Person
from tracker_service.errors import TaskNotFound
from tracker_service.models import Assignment, Movement, Task, TaskEdit, User

CREATED = "created"
PRICED = "priced"
ASSIGNED = "assigned"
CHARGED = "charged"
EDITED = "edited"
COMPLETED = "completed"
PAID = "paid"

#: What is read first of two things that happened at the same moment.
_RANKS = {kind: rank for rank, kind in enumerate([CREATED, ASSIGNED, PRICED, EDITED, COMPLETED, CHARGED, PAID])}


@dataclass(frozen=True, kw_only=True)
class HistoryItem:
    """One thing that happened to a task."""

    at: datetime
    #: created, edited, priced, assigned, charged, completed or paid.
    kind: str
    #: The person who did it; None for what a program did.
    by: Person | None
    #: The person who got the task, or whose account was charged or paid.
    assignee: Person | None
    #: Of a charge: what it took; of a payment: what it brought. Of a price: the fee.
    amount_cents: int | None
    #: Only of a price.
    reward_cents: int | None
    #: The words that an edit changed, as they were and as they have been since.
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    #: The run that drew the assignee.
    reassignment_id: UUID | None


def history(session: Session, task_id: UUID, *, page: PageRequest) -> Page[HistoryItem]:
    """What happened to a task, in the order of time. Raises TaskNotFound."""
    number = session.scalar(select(Task.id).where(Task.public_id == task_id))
    if number is None:
        raise TaskNotFound
    happened = _everything(number, task_id).subquery("happened")
    author, holder = aliased(User, name="author"), aliased(User, name="holder")
    statement = (
        select(happened, author.name.label("by_name"), holder.name.label("assignee_name"))
        .outerjoin(author, author.user_id == happened.c.by_id)
        .outerjoin(holder, holder.user_id == happened.c.assignee_id)
    )
    return fetch_page(session, statement, Order((happened.c.at, happened.c.rank, happened.c.key)), page).map(_item)


def _item(row: Any) -> HistoryItem:
    at, kind, _rank, _key, by_id, assignee_id, amount_cents, reward_cents, before, after, run_id, by, holder = row
    return HistoryItem(
        at=at,
        kind=kind,
        by=Person(by_id, by) if by_id else None,
        assignee=Person(assignee_id, holder) if assignee_id else None,
        amount_cents=amount_cents,
        reward_cents=reward_cents,
        before=before,
        after=after,
        reassignment_id=run_id,
    )


def _everything(number: int, task_id: UUID) -> CompoundSelect[Any]:
    this_task = Task.id == number
    return union_all(
        _happened(CREATED, at=Task.created_at, by=Task.created_by).where(this_task),
        # Of tasks from before that was kept it is not known when they were priced.
        _happened(
            PRICED,
            at=func.coalesce(Task.priced_at, Task.created_at),
            amount=Task.fee_cents,
            reward=Task.reward_cents,
        ).where(this_task, Task.fee_cents.is_not(None)),
        _happened(COMPLETED, at=Task.completed_at, by=Task.assignee_id).where(
            this_task, Task.completed_at.is_not(None)
        ),
        _happened(
            ASSIGNED,
            at=Assignment.assigned_at,
            key=Assignment.assignment_no,
            assignee=Assignment.assignee_id,
            run=Assignment.reassignment_id,
        ).where(Assignment.task_number == number),
        _happened(
            EDITED,
            at=TaskEdit.edited_at,
            key=TaskEdit.id,
            by=TaskEdit.edited_by,
            before=TaskEdit.before,
            after=TaskEdit.after,
        ).where(TaskEdit.task_number == number),
        _moved(CHARGED, task_id, "fee", -Movement.amount_cents),
        _moved(PAID, task_id, "reward", Movement.amount_cents),
    )


def _moved(kind: str, task_id: UUID, movement: str, amount: SQLColumnExpression[int]) -> Select[Any]:
    moved = _happened(
        kind, at=Movement.posted_at, key=Movement.transaction_id, assignee=Movement.user_id, amount=amount
    )
    return moved.where(Movement.task_id == task_id, Movement.kind == movement)


def _happened(
    kind: str,
    *,
    at: Any,
    key: Any = None,
    by: Any = None,
    assignee: Any = None,
    amount: Any = None,
    reward: Any = None,
    before: Any = None,
    after: Any = None,
    run: Any = None,
) -> Select[Any]:
    """Return the columns that all kinds have; those that say nothing about this one are NULL."""

    def column(value: Any, kind_of: Any, label: str) -> Any:
        return cast(null() if value is None else value, kind_of).label(label)

    return select(
        column(at, DateTime(timezone=True), "at"),
        literal(kind).label("kind"),
        literal(_RANKS[kind], Integer).label("rank"),
        column("" if key is None else key, String, "key"),
        column(by, Uuid, "by_id"),
        column(assignee, Uuid, "assignee_id"),
        column(amount, Integer, "amount_cents"),
        column(reward, Integer, "reward_cents"),
        column(before, JSONB, "before"),
        column(after, JSONB, "after"),
        column(run, Uuid, "reassignment_id"),
    )
