"""The tables that reliable events need, in the database of the service whose events they are.

They have a MetaData of their own: a service adds them to its migrations with `messaging.migrations`.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

metadata = MetaData()

_NOW = func.now()


class Base(DeclarativeBase):
    """What the tables of messaging have in common."""

    metadata = metadata


class OutboxEvent(Base):
    """An event that was committed with the state change it tells of. Pending until the broker confirmed it."""

    __tablename__ = "outbox"
    #: The order of publication. Within one aggregate it is the order of commits, because who writes holds its lock.
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    event_id: Mapped[UUID] = mapped_column(Uuid)
    type: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    sequence: Mapped[int] = mapped_column(Integer)
    correlation_id: Mapped[UUID] = mapped_column(Uuid)
    #: The envelope as it goes over the wire.
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    published_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    # The only index beside the key: each one more is paid by every writer, and again by every mark.
    __table_args__ = (Index("outbox_pending", "id", postgresql_where=text("published_at IS NULL")),)


class RelayProgress(Base):
    """One row: how many events were ever confirmed. Counting the outbox would miss those already deleted."""

    __tablename__ = "relay_progress"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    published_total: Mapped[int] = mapped_column(BigInteger)


class InboxEvent(Base):
    """The id of an event that was handled: written in the transaction of its effect, so that it has none twice."""

    __tablename__ = "inbox"
    event_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    handled_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)

    __table_args__ = (Index("inbox_handled_at", "handled_at", postgresql_using="brin"),)


class WaitingEvent(Base):
    """An event that waits for its next attempt. Later ones of its aggregate wait behind it."""

    __tablename__ = "waiting"
    event_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    #: Producer and subject: the line in which events wait.
    aggregate: Mapped[str] = mapped_column(Text)
    sequence: Mapped[int] = mapped_column(Integer)
    #: When the message is expected back from its wait queue.
    retry_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (Index("waiting_aggregate", "aggregate", "sequence"),)


class SuspectEvent(Base):
    """A redelivered event that is being handled on its own: if the process dies now, this one is to blame."""

    __tablename__ = "suspect"
    event_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    starts: Mapped[int] = mapped_column(Integer)


class DeadLetter(Base):
    """A message that could not be handled, as it stands in the dead-letter queue, with the reason."""

    __tablename__ = "dead_letter"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    #: Orders the list: newest last.
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    #: The event's type as the message claims it; empty when it claims none.
    type: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    content_type: Mapped[str] = mapped_column(Text)
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    died_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)

    __table_args__ = (Index("dead_letter_type_reason", "type", "reason", "position"),)
