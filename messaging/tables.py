"""The tables that reliable events need, in the database of the service whose events they are.

They have a MetaData of their own: a service adds them to its migrations with `messaging.migrations`, or has them made
by `create_tables`.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Engine,
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
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

metadata = MetaData()

_NOW = func.now()
_REQUESTED = "'replay_requested', 'discard_requested'"
_OPEN = f"'dead', {_REQUESTED}"
_STATES = f"{_OPEN}, 'replayed', 'discarded'"


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
    """A redelivered event that is being handled, perhaps for the last time: see `messaging.suspects`."""

    __tablename__ = "suspect"
    event_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    #: By how many processes it was begun alone; 0 while it was only ever handled in the company of others.
    starts: Mapped[int] = mapped_column(Integer)


class OngoingReplay(Base):
    """One row while a replay to this service is under way, or was cut short: as long as it is here, consumers pause.

    They read it in the transaction of each batch, and whoever writes it locks the table first. So once it is written
    no batch that did not know of it is under way.
    """

    __tablename__ = "replay"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    #: New each time that it is begun or begun anew: who has lost it to another can tell.
    run: Mapped[UUID] = mapped_column(Uuid)
    #: In words, for a person.
    what: Mapped[str] = mapped_column(Text)
    #: The service has forgotten what it knew: only a replay of everything that ends well gives it back.
    forgot: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)

    __table_args__ = (CheckConstraint("id = 1", name="replay_one_check"),)


class DeadLetter(Base):
    """A message that could not be handled, with the reason. Its twin stands in the dead-letter queue while it is open.

    The row is the record: what is replayed is sent from here, and the queue is brought into line with it.
    """

    __tablename__ = "dead_letter"
    #: The event's id, wherever the message is an event.
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    #: Orders the list by death: newest last. A letter that died again has a new one.
    position: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    #: One of `dead_letters.State`.
    state: Mapped[str] = mapped_column(Text, server_default="dead")
    #: How often it died. The message in the queue carries the number, so an older copy of it can be told.
    deaths: Mapped[int] = mapped_column(Integer, server_default="1")
    #: The event's type as the message claims it; empty when it claims none.
    type: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text)
    #: Tries before it died this time.
    attempts: Mapped[int] = mapped_column(Integer)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    #: The envelope that is sent in its place, when it is replayed edited.
    replacement: Mapped[bytes | None] = mapped_column(LargeBinary)
    content_type: Mapped[str] = mapped_column(Text)
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: The message's own `message_id`, `app_id`, `correlation_id`, `timestamp` and `routing_key`; `sent_by`: its sender.
    properties: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    died_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)

    __table_args__ = (
        CheckConstraint(f"state IN ({_STATES})", name="dead_letter_state_check"),
        Index("dead_letter_open", "type", "reason", "position", postgresql_where=text(f"state IN ({_OPEN})")),
        Index("dead_letter_requested", "position", postgresql_where=text(f"state IN ({_REQUESTED})")),
    )


class DeadLetterAction(Base):
    """What happened to a dead letter, and who wanted it. Rows are only ever added."""

    __tablename__ = "dead_letter_action"
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    letter_id: Mapped[UUID] = mapped_column(Uuid)
    #: The same for everything that one decision set off: it is the time of the transaction.
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    #: One of `dead_letters.Action`.
    action: Mapped[str] = mapped_column(Text)
    #: The person who decided; both are NULL for what happened by itself.
    actor_id: Mapped[UUID | None] = mapped_column(Uuid)
    actor_name: Mapped[str | None] = mapped_column(Text)
    #: Why it died, or the id of the event that was sent in its place.
    detail: Mapped[str] = mapped_column(Text, server_default="")

    __table_args__ = (
        Index("dead_letter_action_letter", "letter_id", "id"),
        Index("dead_letter_action_decisions", "at", postgresql_where=text("actor_name IS NOT NULL")),
    )


def create_tables(engine: Engine) -> None:
    """Create the tables that are missing: for services without migrations, which will have to bring them up to date.

    One process at a time: two that find a table missing would both create it.
    """
    metadata.create_all(engine)
    with engine.begin() as connection:
        progress = insert(RelayProgress).values(id=1, published_total=0)
        connection.execute(progress.on_conflict_do_nothing())
