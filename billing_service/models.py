"""Billing's tables. The ledger among them is append-only: see the migration for what the database itself refuses."""

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.clock_offset import ClockOffsetTable
from chassis.db import new_metadata
from chassis.people import EndedSessionReplica, UserReplica
from messaging import VersionedAggregate


class Base(DeclarativeBase):
    """What all tables of billing belong to."""

    metadata = new_metadata()


OPEN = "open"
CLOSED = "closed"

EMPLOYEE = "employee"
COMPANY = "company"
BANK = "bank"

PENDING = "pending"
SENDING = "sending"
SENT = "sent"
FAILED = "failed"
UNKNOWN = "unknown"

#: The two accounts that are there from the start.
COMPANY_ACCOUNT = UUID("00000000-0000-4000-8000-00000000c0de")
BANK_ACCOUNT = UUID("00000000-0000-4000-8000-0000000ba4c0")


class User(UserReplica, Base):
    """A person as auth last told of them."""

    __tablename__ = "users"


class ClockOffset(ClockOffsetTable, Base):
    """How far the business clock of a demonstration is ahead."""

    __tablename__ = "clock_offset"


class EndedSession(EndedSessionReplica, Base):
    """A session that was signed out lately: nothing of it opens anything here."""

    __tablename__ = "ended_sessions"


class Account(VersionedAggregate, Base):
    """An account; an employee's publishes all events about it under one sequence."""

    __tablename__ = "accounts"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    #: `employee`, `company` or `bank`.
    kind: Mapped[str] = mapped_column(Text)
    #: None for company and bank. No foreign key: an account is opened at first sight of somebody, known or not.
    user_id: Mapped[UUID | None] = mapped_column(unique=True)
    #: `open`, or `closed` while its owner is blocked.
    status: Mapped[str] = mapped_column(Text, default=OPEN)
    #: The sum of the account's entries. None for company and bank: everybody would wait for these two rows.
    balance_cents: Mapped[int | None] = mapped_column(BigInteger)
    #: The business day on which it was first opened: reports of earlier days do not know it.
    opened_on: Mapped[date | None]

    __table_args__ = (
        CheckConstraint("kind IN ('employee', 'company', 'bank')", name="kind"),
        CheckConstraint("status IN ('open', 'closed')", name="status"),
        CheckConstraint(
            "(kind = 'employee') = (user_id IS NOT NULL) AND (kind = 'employee') = (balance_cents IS NOT NULL) "
            "AND (kind = 'employee') = (opened_on IS NOT NULL)",
            name="employee",
        ),
        Index("accounts_opened_on_idx", "opened_on", "id", postgresql_where=text("kind = 'employee'")),
    )


class Task(Base):
    """A task as far as billing cares: its prices, and its words for the log."""

    __tablename__ = "tasks"
    task_id: Mapped[UUID] = mapped_column(primary_key=True)
    #: None until the tracker has told what the task is called.
    title: Mapped[str | None] = mapped_column(Text)
    jira_id: Mapped[str | None] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    #: Of the newest event that the words are from: older ones that arrive later change nothing.
    words_sequence: Mapped[int] = mapped_column(default=0)
    fee_cents: Mapped[int]
    reward_cents: Mapped[int]
    priced_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (CheckConstraint("fee_cents > 0 AND reward_cents > 0", name="prices"),)


class Day(VersionedAggregate, Base):
    """A business day with the management's income so far; its version numbers the events about it."""

    __tablename__ = "days"
    day: Mapped[date] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(Text, default=OPEN)
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    fees_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    rewards_cents: Mapped[int] = mapped_column(BigInteger, default=0)

    __table_args__ = (
        CheckConstraint("status IN ('open', 'closed')", name="status"),
        CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="closed_at"),
        CheckConstraint("fees_cents >= 0 AND rewards_cents >= 0", name="income"),
    )


class LedgerTransaction(Base):
    """A movement of money and what caused it. Written once; corrections are new movements."""

    __tablename__ = "ledger_transactions"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[str] = mapped_column(Text)
    business_day: Mapped[date] = mapped_column(ForeignKey(Day.day))
    posted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    #: What a fee or a reward is for.
    task_id: Mapped[UUID | None] = mapped_column(ForeignKey(Task.task_id))
    assignment_no: Mapped[int | None]
    #: The event that caused it; None when a person or the robot did.
    cause_event_id: Mapped[UUID | None]
    #: Of a correction: why, and which administrator made it.
    note: Mapped[str | None] = mapped_column(Text)
    made_by: Mapped[UUID | None]
    #: What it shares with all that the same request or job set off; None for movements from before it was kept.
    correlation_id: Mapped[UUID | None]

    __table_args__ = (
        CheckConstraint("kind IN ('fee', 'reward', 'payout', 'correction')", name="kind"),
        CheckConstraint("(kind IN ('fee', 'reward')) = (task_id IS NOT NULL)", name="task"),
        CheckConstraint("(kind = 'fee') = (assignment_no IS NOT NULL)", name="assignment"),
        CheckConstraint("(kind = 'correction') = (note IS NOT NULL AND made_by IS NOT NULL)", name="correction"),
        UniqueConstraint("id", "business_day"),
        Index("ledger_fee_key", "task_id", "assignment_no", unique=True, postgresql_where=text("kind = 'fee'")),
        Index("ledger_reward_key", "task_id", unique=True, postgresql_where=text("kind = 'reward'")),
        Index("ledger_transactions_business_day_idx", "business_day"),
    )


class LedgerEntry(Base):
    """One side of a movement, in the order of posting."""

    __tablename__ = "ledger_entries"
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    transaction_id: Mapped[UUID]
    #: The transaction's, which the foreign key ensures: balances by day are sums over this table alone.
    business_day: Mapped[date]
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    #: Positive is what the account gets, negative what it gives.
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    #: The account's balance right after this posting; None for company and bank.
    balance_after_cents: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        ForeignKeyConstraint(
            ["transaction_id", "business_day"], ["ledger_transactions.id", "ledger_transactions.business_day"]
        ),
        UniqueConstraint("transaction_id", "account_id"),
        CheckConstraint("amount_cents <> 0", name="amount"),
        Index("ledger_entries_account_idx", "account_id", "business_day", "id"),
        Index("ledger_entries_business_day_idx", "business_day", "account_id"),
    )


class Statement(Base):
    """What a closed day did to one account, in cents. Written with the close, once."""

    __tablename__ = "statements"
    day: Mapped[date] = mapped_column(ForeignKey(Day.day), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id), primary_key=True)
    opening_cents: Mapped[int] = mapped_column(BigInteger)
    fees_cents: Mapped[int] = mapped_column(BigInteger)
    rewards_cents: Mapped[int] = mapped_column(BigInteger)
    corrections_cents: Mapped[int] = mapped_column(BigInteger)
    payout_cents: Mapped[int] = mapped_column(BigInteger)


class Payout(Base):
    """A balance that was paid out, and the letter about it."""

    __tablename__ = "payouts"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    day: Mapped[date] = mapped_column(ForeignKey(Day.day))
    #: 0 for the payout at the end of the day; else the sequence of the event that blocked the owner.
    block_sequence: Mapped[int] = mapped_column(default=0)
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    transaction_id: Mapped[UUID] = mapped_column(ForeignKey(LedgerTransaction.id), unique=True)
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    #: `pending`; `sending` while a sender has it; then `sent`, or `failed` when all attempts were used up, or `unknown`
    #: when the sender or the connection broke off and it may have been taken.
    letter: Mapped[str] = mapped_column(Text, default=PENDING)
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    #: When a pending letter is due, by the business clock; until when one that is being sent belongs to its sender, by
    #: the database's own.
    next_attempt_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: The address that the letter went to.
    sent_to: Mapped[str | None] = mapped_column(Text)
    last_error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("account_id", "day", "block_sequence"),
        CheckConstraint("amount_cents > 0", name="amount"),
        CheckConstraint("letter IN ('pending', 'sending', 'sent', 'failed', 'unknown')", name="letter"),
        Index("payouts_day_idx", "day", "id"),
        Index("payouts_pending_idx", "next_attempt_at", "id", postgresql_where=text("letter = 'pending'")),
        Index("payouts_sending_idx", "next_attempt_at", postgresql_where=text("letter = 'sending'")),
        Index("payouts_in_trouble_idx", "id", postgresql_where=text("letter IN ('failed', 'unknown')")),
    )


class Pricing(Base):
    """The rules that prices are drawn by: one row."""

    __tablename__ = "pricing_rules"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    fee_min_cents: Mapped[int]
    fee_max_cents: Mapped[int]
    reward_min_cents: Mapped[int]
    reward_max_cents: Mapped[int]
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    #: None for the rules from the start.
    changed_by: Mapped[UUID | None]

    __table_args__ = (
        CheckConstraint("id = 1", name="single"),
        CheckConstraint(
            "fee_min_cents BETWEEN 1 AND fee_max_cents AND reward_min_cents BETWEEN 1 AND reward_max_cents",
            name="ranges",
        ),
    )


class RobotRun(Base):
    """The latest run of the robot that closes days: one row."""

    __tablename__ = "robot_run"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    #: None while it runs, or when it died on the way.
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: The latest closed day, whose books were checked; None when no day was closed yet.
    checked_day: Mapped[date | None]
    #: What the check found, one finding a line; empty when the books balance.
    problems: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (CheckConstraint("id = 1", name="single"),)
