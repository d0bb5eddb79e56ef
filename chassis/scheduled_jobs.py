"""What the scheduler does by the clock, as a row for each job: when it ran, how that went, and when it is due again.

Web reads it and can ask for a run: it never speaks to the scheduler, which takes requests up when it looks.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import DateTime, Float, MetaData, Text, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

metadata = MetaData()


class _Base(DeclarativeBase):
    metadata = metadata


class ScheduledJob(_Base):
    """A job of this service's scheduler."""

    __tablename__ = "scheduled_job"
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    #: What it does, for a person, in English: to be translated.
    words: Mapped[str] = mapped_column(Text)
    #: NULL for a job that does not come again and again.
    every_seconds: Mapped[float | None] = mapped_column(Float)
    next_run_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: Of the latest run that is over. NULL before the first.
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: `done` or `failed`.
    outcome: Mapped[str | None] = mapped_column(Text)
    #: Why it failed.
    detail: Mapped[str] = mapped_column(Text, server_default="")
    #: When somebody asked for a run that is not over yet.
    requested_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    requested_by: Mapped[str | None] = mapped_column(Text)


@dataclass(frozen=True)
class Plan:
    """A job as the scheduler knows it."""

    name: str
    words: str
    every_seconds: float | None
    next_run_at: datetime | None


def list_jobs(session: Session) -> list[ScheduledJob]:
    """Return all jobs by name."""
    return list(session.scalars(select(ScheduledJob).order_by(ScheduledJob.name)))


def request_run(session: Session, name: str, *, by: str) -> ScheduledJob | None:
    """Ask for a run of the job now; None if there is no such job.

    While a run is asked for, asking again changes nothing.
    """
    asked = update(ScheduledJob).where(ScheduledJob.name == name, ScheduledJob.requested_at.is_(None))
    session.execute(asked.values(requested_at=func.now(), requested_by=by))
    return session.get(ScheduledJob, name)


def requested_runs(session: Session) -> dict[str, datetime]:
    """Return the jobs of which somebody has asked for a run that is not over, and when that was."""
    asked = select(ScheduledJob.name, ScheduledJob.requested_at).where(ScheduledJob.requested_at.is_not(None))
    return {name: at for name, at in session.execute(asked) if at}


def remember_jobs(session: Session, plans: Collection[Plan]) -> None:
    """Write down which jobs there are and when they are due, and forget those that are no more."""
    session.execute(delete(ScheduledJob).where(ScheduledJob.name.not_in([plan.name for plan in plans])))
    for plan in plans:
        row = insert(ScheduledJob).values(vars(plan))
        session.execute(row.on_conflict_do_update(index_elements=["name"], set_=vars(plan)))


def remember_run(
    session: Session,
    plan: Plan,
    *,
    started_at: datetime,
    finished_at: datetime,
    outcome: str,
    detail: str,
    answers: datetime | None,
) -> None:
    """Write down how a run went. Who asked for one at the moment `answers` has had it."""
    ran = {"started_at": started_at, "finished_at": finished_at, "outcome": outcome, "detail": detail}
    row = insert(ScheduledJob).values(**vars(plan), **ran)
    session.execute(row.on_conflict_do_update(index_elements=["name"], set_={**vars(plan), **ran}))
    # That very moment, and no earlier ones: requests are noted by the clock of the database, runs by the host's.
    answered = update(ScheduledJob).where(ScheduledJob.name == plan.name, ScheduledJob.requested_at == answers)
    session.execute(answered.values(requested_at=None, requested_by=None))
