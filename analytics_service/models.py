"""Analytics' tables. All but the clock's follow from events, in whatever order and however often they were heard.

Two kinds of rows: what billing announced (kept by the highest sequence), and what the movements add up to (each
movement counted once). Both are kept apart, so that they can be compared.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Index, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.clock_offset import ClockOffsetTable
from chassis.db import new_metadata
from chassis.people import EndedSessionReplica, UserReplica


class Base(DeclarativeBase):
    """What the tables of analytics have in common."""

    metadata = new_metadata()


class User(UserReplica, Base):
    """A person as auth last told of them."""

    __tablename__ = "users"


class ClockOffset(ClockOffsetTable, Base):
    """How far the business clock of a demonstration is ahead."""

    __tablename__ = "clock_offset"


class EndedSession(EndedSessionReplica, Base):
    """A session that was signed out lately: nothing of it opens anything here."""

    __tablename__ = "ended_sessions"


class Task(Base):
    """What a task is called."""

    __tablename__ = "tasks"
    task_id: Mapped[UUID] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    jira_id: Mapped[str | None] = mapped_column(Text)
    #: Of the newest event that was applied.
    sequence: Mapped[int]


class Account(Base):
    """The balance that billing announced last."""

    __tablename__ = "accounts"
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    balance_cents: Mapped[int] = mapped_column(BigInteger)
    sequence: Mapped[int]

    __table_args__ = (Index("accounts_below_zero_idx", "balance_cents", postgresql_where=text("balance_cents < 0")),)


class IncomeDay(Base):
    """The management's income of a day, as billing announced it last."""

    __tablename__ = "income_days"
    day: Mapped[date] = mapped_column(primary_key=True)
    fees_cents: Mapped[int] = mapped_column(BigInteger)
    rewards_cents: Mapped[int] = mapped_column(BigInteger)
    income_cents: Mapped[int] = mapped_column(BigInteger)
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    sequence: Mapped[int]


class ClosedDay(Base):
    """Billing's report of a closed day."""

    __tablename__ = "closed_days"
    day: Mapped[date] = mapped_column(primary_key=True)
    fees_cents: Mapped[int] = mapped_column(BigInteger)
    rewards_cents: Mapped[int] = mapped_column(BigInteger)
    income_cents: Mapped[int] = mapped_column(BigInteger)
    negative_accounts: Mapped[int]
    closed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Movement(Base):
    """A movement of money on an account. The rewards among them are the completed tasks."""

    __tablename__ = "movements"
    transaction_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    task_id: Mapped[UUID | None]
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    business_day: Mapped[date]
    posted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        # The most expensive task of a day is the first one here.
        Index(
            "movements_top_task_idx",
            "business_day",
            text("amount_cents DESC"),
            "posted_at",
            "task_id",
            postgresql_where=text("kind = 'reward'"),
        ),
    )


class AccountDay(Base):
    """An account's balance at the end of a day on which it moved: the sum of its movements up to then."""

    __tablename__ = "account_days"
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    balance_cents: Mapped[int] = mapped_column(BigInteger)


class MovementDay(Base):
    """What the movements of a day add up to."""

    __tablename__ = "movement_days"
    day: Mapped[date] = mapped_column(primary_key=True)
    fees_cents: Mapped[int] = mapped_column(BigInteger)
    rewards_cents: Mapped[int] = mapped_column(BigInteger)
    #: Accounts below zero at the end of the day minus those at the end of the day before: add up to get their number.
    negative_change: Mapped[int]
    #: When the latest movement was posted; None if there was none on the day itself.
    moved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
