"""The tracker's tables. A task's number is only for batches; everybody else knows tasks by their public id."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Text,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from chassis.clock_offset import ClockOffsetTable
from chassis.db import new_metadata
from chassis.people import ACTIVE, BLOCKED, EndedSessionReplica, UserReplica
from chassis.request_keys import RequestKeyTable
from messaging import VersionedAggregate
from tracker_service.domain.draw import NEVER_ASSIGNED
from tracker_service.domain.people import Person


class Base(DeclarativeBase):
    """What the tables of the tracker have in common."""

    metadata = new_metadata()


OPEN = "open"
DONE = "done"

RUNNING = "running"
FINISHED = "finished"


class User(UserReplica, Base):
    """A person as auth last told of them."""

    __tablename__ = "users"


class ClockOffset(ClockOffsetTable, Base):
    """How far the business clock of a demonstration is ahead."""

    __tablename__ = "clock_offset"


class EndedSession(EndedSessionReplica, Base):
    """A session that was signed out lately: nothing of it opens anything here."""

    __tablename__ = "ended_sessions"


#: Whom a task can be given to. The index below serves exactly this condition.
CAN_BE_ASSIGNED = (User.status == ACTIVE) & User.role.not_in(NEVER_ASSIGNED)

#: Drawing counts the crowd and picks a place in it: an index scan, however many people there are.
Index("users_can_be_assigned_idx", User.user_id, postgresql_where=CAN_BE_ASSIGNED)
#: Finds those whose tasks wait for somebody to assign.
Index("users_blocked_idx", User.user_id, postgresql_where=User.status == BLOCKED)


class Task(VersionedAggregate, Base):
    """A task always has an assignee; every assignment is numbered, because every assignment is charged."""

    __tablename__ = "tasks"
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    public_id: Mapped[UUID] = mapped_column(unique=True, default=uuid4)
    title: Mapped[str] = mapped_column(Text)
    jira_id: Mapped[str | None] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(Text, default=OPEN)
    assignee_id: Mapped[UUID] = mapped_column(ForeignKey(User.user_id))
    #: 1 for the assignment at creation, then one more with each reassignment.
    assignment_no: Mapped[int] = mapped_column(default=1)
    #: Set by billing, once; None until it has.
    fee_cents: Mapped[int | None]
    reward_cents: Mapped[int | None]
    priced_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: No foreign key: who signs in may create a task before their registration is heard of here.
    created_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    completed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    assignee: Mapped[User] = relationship(viewonly=True, lazy="raise")
    creator: Mapped[User | None] = relationship(
        viewonly=True, lazy="raise", primaryjoin="foreign(Task.created_by) == User.user_id"
    )

    __table_args__ = (
        CheckConstraint("status IN ('open', 'done')", name="status"),
        CheckConstraint("(status = 'done') = (completed_at IS NOT NULL)", name="completed_at"),
        Index("tasks_assignee_idx", "assignee_id", "status", "id"),
        Index("tasks_of_assignee_idx", "assignee_id", "id"),
        Index("tasks_open_idx", "id", postgresql_where=text("status = 'open'")),
        Index("tasks_of_author_idx", "created_by", "id", postgresql_include=["status"]),
        Index("tasks_done_idx", "assignee_id", "completed_at", "id", postgresql_where=text("status = 'done'")),
        Index("tasks_created_at_idx", "created_at", postgresql_include=["status"]),
    )


#: What lists are sorted by; for a value that is not there yet stands the smallest price, the latest completion. Each is
#: written as its index has it.
FEE = func.coalesce(Task.fee_cents, literal_column("0"))
REWARD = func.coalesce(Task.reward_cents, literal_column("0"))
COMPLETED = func.coalesce(Task.completed_at, literal_column("'2999-12-30 00:00:00+00'::timestamp with time zone"))
#: A Jira key however it is capitalised.
JIRA_KEY = func.lower(Task.jira_id)

Index("tasks_by_fee_idx", FEE, Task.id)
Index("tasks_by_reward_idx", REWARD, Task.id)
Index("tasks_by_completed_idx", COMPLETED, Task.id)
Index("tasks_by_title_idx", Task.title, Task.id)
Index("tasks_jira_id_idx", JIRA_KEY, Task.id)


class TaskWords(Base):
    """All that is written of a task, in small letters, for those who look for it. A trigger of the tasks writes it."""

    __tablename__ = "task_words"
    task_number: Mapped[int] = mapped_column(ForeignKey(Task.id), primary_key=True)
    words: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        Index("task_words_idx", "words", postgresql_using="gin", postgresql_ops={"words": "gin_trgm_ops"}),
    )


#: The run over all open tasks that moves: there is one at the most.
HAS_THE_TURN = text("status = 'running' AND turn_at IS NOT NULL AND only_assignee_id IS NULL")


class Reassignment(VersionedAggregate, Base):
    """One run over the tasks that were open when it was requested, batch by batch in the order of their numbers.

    Runs over all open tasks take turns: one moves, the others wait. One over the tasks of somebody who was blocked has
    its turn at once.
    """

    __tablename__ = "reassignments"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    #: Manager or administrator; None when a block caused it.
    requested_by: Mapped[UUID | None]
    #: Only tasks of this blocked user; None for all open tasks.
    only_assignee_id: Mapped[UUID | None]
    #: The highest number of a task that was open at the request: later tasks are none of its business.
    upper_bound: Mapped[int] = mapped_column(BigInteger, default=0)
    #: The number of the last task dealt with: what is at or below it is never touched again by this run.
    cursor: Mapped[int] = mapped_column(BigInteger, default=0)
    #: Tasks open at the request, and those of them that have got an assignee so far.
    total: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    status: Mapped[str] = mapped_column(Text, default=RUNNING)
    #: Of the assignments of this run, those that billing has charged, and what they cost together.
    charged: Mapped[int] = mapped_column(default=0)
    cost_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    #: The run ended early because there was nobody left to assign.
    nobody_to_assign: Mapped[bool] = mapped_column(default=False)
    #: When it was requested.
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    #: When it began to move; None while it waits for the runs before it.
    turn_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: When the newest request of its next batch was published: long ago means that the request was lost.
    asked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint("status IN ('running', 'finished')", name="status"),
        CheckConstraint("(status = 'finished') = (finished_at IS NOT NULL)", name="finished_at"),
        CheckConstraint("status = 'running' OR turn_at IS NOT NULL", name="turn_at"),
        Index("reassignments_in_order_idx", "started_at", "id"),
        Index("reassignments_running_idx", "asked_at", postgresql_where=text("status = 'running'")),
        Index("reassignments_waiting_idx", "started_at", "id", postgresql_where=text("turn_at IS NULL")),
        Index("reassignments_one_turn_idx", "status", unique=True, postgresql_where=HAS_THE_TURN),
    )

    requester: Mapped[User | None] = relationship(
        viewonly=True, lazy="raise", primaryjoin="foreign(Reassignment.requested_by) == User.user_id"
    )

    @property
    def waits(self) -> bool:
        """Whether the runs before it have not ended."""
        return self.turn_at is None

    @property
    def pressed_by(self) -> Person | None:
        """The person who requested the run; None for a run that a block has started."""
        if self.requested_by is None:
            return None
        return Person(self.requested_by, self.requester.name if self.requester else None)


class Assignment(Base):
    """One of a task's assignments. Who had the task before a reassignment is found here, too."""

    __tablename__ = "assignments"
    task_number: Mapped[int] = mapped_column(ForeignKey(Task.id), primary_key=True)
    assignment_no: Mapped[int] = mapped_column(primary_key=True)
    assignee_id: Mapped[UUID] = mapped_column(ForeignKey(User.user_id))
    #: The run that drew the assignee; None for the assignment at creation.
    reassignment_id: Mapped[UUID | None] = mapped_column(ForeignKey(Reassignment.id))
    assigned_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    #: Of the event that told of it: billing names it as the cause of the charge.
    event_id: Mapped[UUID]

    __table_args__ = (
        Index(
            "assignments_of_run_idx",
            "reassignment_id",
            "task_number",
            postgresql_where=text("reassignment_id IS NOT NULL"),
        ),
        Index("assignments_of_person_idx", "assignee_id", "assigned_at"),
    )


class TaskEdit(Base):
    """A change of a task's words: those that changed, as they were and as they have been since."""

    __tablename__ = "task_edits"
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    task_number: Mapped[int] = mapped_column(ForeignKey(Task.id), index=True)
    edited_by: Mapped[UUID]
    edited_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    before: Mapped[dict[str, Any]] = mapped_column(JSONB)
    after: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Movement(Base):
    """Money that moved on somebody's account, as billing told of it."""

    __tablename__ = "movements"
    transaction_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    #: fee, reward, payout or correction.
    kind: Mapped[str] = mapped_column(Text)
    #: The public id of the task that a fee or a reward is for. It may be somebody else's than the tracker's.
    task_id: Mapped[UUID | None]
    #: Signed as the employee sees it.
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    business_day: Mapped[date]
    posted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index("movements_of_task_idx", "task_id", postgresql_where=text("task_id IS NOT NULL")),
        Index("movements_of_person_idx", "user_id", "business_day"),
        Index("movements_lately_idx", "user_id", "posted_at"),
    )


class Balance(Base):
    """What somebody's account holds, as billing told of it last."""

    __tablename__ = "balances"
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    balance_cents: Mapped[int] = mapped_column(BigInteger)
    #: Of the newest event that was applied.
    sequence: Mapped[int]


class CarriedDebt(Base):
    """A debt, or a zero, with which somebody's account went from a closed day into the next."""

    __tablename__ = "carried_debts"
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    balance_cents: Mapped[int] = mapped_column(BigInteger)
    carried_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ClosedDay(Base):
    """A business day that billing has closed: the day after it has begun, whatever the calendar says."""

    __tablename__ = "closed_days"
    day: Mapped[date] = mapped_column(primary_key=True)


#: What is older is no news, read or not.
NEWS_FOR = timedelta(days=7)


class NewsRead(Base):
    """How far somebody has read the news of their tasks and money."""

    __tablename__ = "news_read"
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    #: The moment of the newest thing that was shown when they said that they had read it.
    until: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class RequestKey(RequestKeyTable, Base):
    """The Idempotency-Key of a request that created something, and its answer."""

    __tablename__ = "request_keys"
