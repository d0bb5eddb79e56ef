"""The audit log: every movement of an account with its cause, and what tasks cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_service.errors import AccountNotFound
from billing_service.models import Account, LedgerEntry, LedgerTransaction, Task
from billing_service.queries.days import current_day
from chassis.cursors import wrong_cursor
from chassis.paging import Order, Page, PageRequest, fetch_page

#: The day is the same for all entries of a list; it is here so that a cursor knows it.
_ORDER = Order((LedgerEntry.business_day, LedgerEntry.id), descending=True)


@dataclass(frozen=True)
class TaskWords:
    """A task in the log. Title and description are None until the tracker has told them."""

    id: UUID
    title: str | None
    jira_id: str | None
    description: str | None


@dataclass(frozen=True)
class EntryView:
    """A movement as the employee sees it."""

    #: The transaction's: an employee has one entry in each.
    id: UUID
    at: datetime
    business_day: date
    kind: str
    #: Positive is what the employee got.
    amount_cents: int
    balance_after_cents: int
    task: TaskWords | None
    assignment_no: int | None
    cause_event_id: UUID | None
    #: None for a movement from before it was kept.
    correlation_id: UUID | None
    #: Why a correction was made.
    note: str | None


def day_of_log(session: Session, *, day: date | None, page: PageRequest) -> date:
    """Return the day whose log is wanted: this one, or that of the page before, or the current business day.

    A log that is read on after midnight is still that of its day. Raises Invalid for a cursor of another day.
    """
    position = _ORDER.position(page)
    if position is None:
        return day or current_day(session)
    begun: date = position.values[0]
    if day not in (None, begun):
        raise wrong_cursor()
    return begun


def entries(session: Session, user_id: UUID, *, day: date, page: PageRequest) -> Page[EntryView]:
    """Return what happened on somebody's account on a business day, the latest first. Raises AccountNotFound."""
    account_id = session.scalar(select(Account.id).where(Account.user_id == user_id))
    if account_id is None:
        raise AccountNotFound
    log = (
        select(LedgerEntry, LedgerTransaction, Task)
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .outerjoin(Task, Task.task_id == LedgerTransaction.task_id)
        .where(LedgerEntry.account_id == account_id, LedgerEntry.business_day == day)
    )
    return fetch_page(session, log, _ORDER, page).map(lambda row: _view(*row))


def prices(session: Session, task_ids: Sequence[UUID]) -> Sequence[Task]:
    """Return the tasks among these that have been priced."""
    return session.scalars(select(Task).where(Task.task_id.in_(task_ids)).order_by(Task.task_id)).all()


def _view(entry: LedgerEntry, transaction: LedgerTransaction, task: Task | None) -> EntryView:
    return EntryView(
        id=transaction.id,
        at=transaction.posted_at,
        business_day=entry.business_day,
        kind=transaction.kind,
        amount_cents=entry.amount_cents,
        balance_after_cents=entry.balance_after_cents or 0,
        task=None if task is None else TaskWords(task.task_id, task.title, task.jira_id, task.description),
        assignment_no=transaction.assignment_no,
        cause_event_id=transaction.cause_event_id,
        correlation_id=transaction.correlation_id,
        note=transaction.note,
    )
