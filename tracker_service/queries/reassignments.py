"""What those who may reassign see of the runs, and of what one would do."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session, aliased, joinedload

from chassis.paging import Order, Page, PageRequest, fetch_page
from chassis.versions import version_of
from tracker_service.domain.people import Person
from tracker_service.domain.rights import may_reassign
from tracker_service.errors import NotYoursToReassign, ReassignmentNotFound
from tracker_service.models import CAN_BE_ASSIGNED, HAS_THE_TURN, OPEN, Assignment, Reassignment, Task, User


@dataclass(frozen=True)
class Overview:
    """What those who may reassign see of the whole."""

    open_tasks: int
    #: People among whom an assignee is drawn.
    crowd: int
    latest_run: Reassignment | None

    @property
    def version(self) -> str:
        """Return a text that is another one whenever the overview looks different."""
        run = self.latest_run
        return version_of(self.open_tasks, self.crowd, run and (run.id, run.done, run.total))


@dataclass(frozen=True)
class Preview:
    """What a run would do that was requested now."""

    tasks: int
    #: Among whom the assignees would be drawn.
    people: int
    #: None when there are open tasks and none of them has its price yet.
    estimated_fee_cents: int | None
    #: Whether another run has to end first.
    would_wait: bool


@dataclass(frozen=True, kw_only=True)
class Reassigned:
    """A task that a run has given to somebody."""

    task_id: UUID
    title: str
    jira_id: str | None
    #: The former assignee; None if that is not known any more.
    before: Person | None
    after: Person
    #: What the assignment costs; None until billing has set the price.
    fee_cents: int | None


def overview(session: Session) -> Overview:
    """The whole, for those who may reassign."""
    return Overview(
        open_tasks=session.scalar(select(func.count()).where(Task.status == OPEN)) or 0,
        crowd=_crowd(session),
        latest_run=session.scalar(select(Reassignment).order_by(*_NEWEST_FIRST.clauses()).limit(1)),
    )


def preview(session: Session, *, role: str) -> Preview:
    """What a run would do that was requested now. Raises NotYoursToReassign.

    The money is the sum of the fees of all open tasks. One that billing has not priced yet counts as much as the others
    on average: fees are drawn alike for all tasks.
    """
    _require_right(role)
    fees = select(func.count(), func.count(Task.fee_cents), func.sum(Task.fee_cents)).where(Task.status == OPEN)
    tasks, priced, cents = session.execute(fees).one()
    estimate = round((cents or 0) * tasks / priced) if priced else None
    return Preview(
        tasks=tasks,
        people=_crowd(session),
        estimated_fee_cents=estimate if tasks else 0,
        would_wait=session.scalar(select(Reassignment.id).where(HAS_THE_TURN)) is not None,
    )


def reassignment(session: Session, run_id: UUID, *, role: str) -> Reassignment:
    """A run, for those who may start one. Raises NotYoursToReassign, ReassignmentNotFound."""
    _require_right(role)
    run = session.scalar(_runs().where(Reassignment.id == run_id))
    if run is None:
        raise ReassignmentNotFound
    return run


def reassignments(session: Session, *, role: str, page: PageRequest) -> Page[Reassignment]:
    """All runs, newest first. Raises NotYoursToReassign."""
    _require_right(role)
    return fetch_page(session, _runs(), _NEWEST_FIRST, page)


def reassigned(session: Session, run_id: UUID, *, role: str, page: PageRequest) -> Page[Reassigned]:
    """What a run has done so far: from whom to whom each task went. Raises NotYoursToReassign, ReassignmentNotFound."""
    reassignment(session, run_id, role=role)
    former = aliased(Assignment, name="former")
    before, after = aliased(User, name="before"), aliased(User, name="after")
    one_before = and_(
        former.task_number == Assignment.task_number, former.assignment_no == Assignment.assignment_no - 1
    )
    statement = (
        select(
            Task.public_id,
            Task.title,
            Task.jira_id,
            Task.fee_cents,
            before.user_id.label("before_id"),
            before.name.label("before_name"),
            after.user_id.label("after_id"),
            after.name.label("after_name"),
        )
        .join(Task, Task.id == Assignment.task_number)
        .join(after, after.user_id == Assignment.assignee_id)
        .outerjoin(former, one_before)
        .outerjoin(before, before.user_id == former.assignee_id)
        .where(Assignment.reassignment_id == run_id)
    )
    return fetch_page(session, statement, Order((Assignment.task_number,)), page).map(lambda row: _reassigned(*row))


#: Of two requested in the same moment, either may come first, always the same.
_NEWEST_FIRST = Order((Reassignment.started_at, Reassignment.id), descending=True)


def _reassigned(
    task_id: UUID,
    title: str,
    jira_id: str | None,
    fee: int | None,
    before: UUID | None,
    was: str,
    after: UUID,
    name: str,
) -> Reassigned:
    return Reassigned(
        task_id=task_id,
        title=title,
        jira_id=jira_id,
        before=Person(before, was) if before else None,
        after=Person(after, name),
        fee_cents=fee,
    )


def _runs() -> Select[Reassignment]:
    return select(Reassignment).options(joinedload(Reassignment.requester))


def _crowd(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(User).where(CAN_BE_ASSIGNED)) or 0


def _require_right(role: str) -> None:
    if not may_reassign(role):
        raise NotYoursToReassign
