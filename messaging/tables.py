"""The tables that reliable events need, in the database of the service whose events they are.

They have a MetaData of their own: a service adds them to its migrations with `messaging.migrations`, or has them made
by `create_tables`.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    DDL,
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
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

metadata = MetaData()

_NOW = func.now()
#: What stands in the line of its aggregate: see `messaging.held`. Word for word what the index says.
IN_LINE = "state IN ('waiting', 'blocked') OR (strict AND state IN ('dead', 'replay_requested'))"
_OPEN = "state IN ('dead', 'replay_requested')"
_STATES = "state IN ('waiting', 'blocked', 'dead', 'replay_requested', 'replayed', 'discarded')"
_PLACE = "aggregate IS NOT NULL OR state NOT IN ('waiting', 'blocked')"
_DUE = "(due_at IS NOT NULL) = (state IN ('waiting', 'replay_requested'))"


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

    # A B-tree more would be paid by every writer, and again by every mark. Bloom filters, one for a few pages, cost
    # nobody anything that can be measured, and find the events of a thread of causes, an event, or an aggregate's.
    __table_args__ = (
        Index("outbox_pending", "id", postgresql_where=text("published_at IS NULL")),
        Index(
            "outbox_trails",
            "correlation_id",
            "event_id",
            "subject",
            postgresql_using="brin",
            postgresql_ops={
                "correlation_id": "uuid_bloom_ops",
                "event_id": "uuid_bloom_ops",
                "subject": "text_bloom_ops",
            },
            postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
        ),
    )


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


class HeldMessage(Base):
    """A message in trouble: it waits for its next attempt or behind another one, is dead, or was replayed or discarded.

    The row is the record, and what is handled from it is read from here: the message itself is acked.
    """

    __tablename__ = "held_message"
    #: The event's id, wherever the message is an event.
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    #: Orders the list by death: newest last. A letter that died again has a new one.
    position: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    #: One of `held.states.State`.
    state: Mapped[str] = mapped_column(Text)
    #: How often it died. The message in the queue carries the number, so an older copy of it can be told.
    deaths: Mapped[int] = mapped_column(Integer, server_default="0")
    #: The event's type as the message claims it; empty when it claims none.
    type: Mapped[str] = mapped_column(Text)
    #: Short, for grouping: `PermanentError.reason`. Empty for one that never died.
    reason: Mapped[str] = mapped_column(Text, server_default="")
    #: For a person: what was wrong at the last try.
    detail: Mapped[str] = mapped_column(Text, server_default="")
    #: Tries that failed, since it was first held or last replayed.
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    #: Whose order it has to keep, and its place in that; NULL for what cannot be read as an event of its producer.
    aggregate: Mapped[str | None] = mapped_column(Text)
    sequence: Mapped[int | None] = mapped_column(Integer)
    #: Later events of the aggregate wait behind it even when it is dead.
    strict: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    #: When it is to be handled.
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: How many processes began to handle it and did not come to an end, and the last of them.
    starts: Mapped[int] = mapped_column(Integer, server_default="0")
    started_by: Mapped[UUID | None] = mapped_column(Uuid)
    #: As it arrived, which may be no envelope at all.
    body: Mapped[bytes] = mapped_column(LargeBinary)
    #: The envelope that was sent in its place, if somebody edited it.
    replacement: Mapped[bytes | None] = mapped_column(LargeBinary)
    content_type: Mapped[str] = mapped_column(Text)
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: The message's own `message_id`, `app_id`, `correlation_id`, `timestamp` and `routing_key`; `sent_by`: its sender.
    properties: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    #: When it died last; until then, when it was first held.
    died_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    #: When its message in the dead-letter queue was last seen or sent; NULL if there is none.
    mirrored_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint(_STATES, name="held_message_state_check"),
        CheckConstraint(_DUE, name="held_message_due_check"),
        CheckConstraint(_PLACE, name="held_message_place_check"),
        Index("held_message_open", "type", "reason", "position", postgresql_where=text(_OPEN)),
        Index("held_message_line", "aggregate", "sequence", "position", postgresql_where=text(IN_LINE)),
        Index("held_message_due", "due_at", "position", postgresql_where=text("due_at IS NOT NULL")),
        Index("held_message_held", "position", postgresql_where=text("state IN ('waiting', 'blocked')")),
        Index("held_message_mirrored", "position", postgresql_where=text("state = 'dead' AND mirrored_at IS NOT NULL")),
        Index(
            "held_message_to_mirror",
            "position",
            postgresql_where=text("(state = 'dead') = (mirrored_at IS NULL)"),
        ),
        Index("held_message_trail", text("(properties ->> 'correlation_id')")),
    )


class ConsumerBacklog(Base):
    """One row: how the queue of the service's events stood when its consumer last looked.

    A web request asks no broker.
    """

    __tablename__ = "consumer_backlog"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    #: Messages that wait to be delivered.
    ready: Mapped[int] = mapped_column(Integer)
    #: Consumers that are subscribed to it.
    consumers: Mapped[int] = mapped_column(Integer)
    measured_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (CheckConstraint("id = 1", name="consumer_backlog_one_check"),)


class GradualReplay(Base):
    """Dead letters that are replayed a few at a time, ever more, as long as none of them dies again."""

    __tablename__ = "gradual_replay"
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    #: One of `dead_letters.Progress`.
    state: Mapped[str] = mapped_column(Text)
    #: The selection: see `dead_letters.Selection`.
    type: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    field: Mapped[str | None] = mapped_column(Text)
    up_to_position: Mapped[int] = mapped_column(BigInteger)
    #: Letters of the selection at its beginning, and of them those that were replayed so far.
    total: Mapped[int] = mapped_column(Integer)
    taken: Mapped[int] = mapped_column(Integer, server_default="0")
    #: What became of the steps that are over.
    handled: Mapped[int] = mapped_column(Integer, server_default="0")
    dead_again: Mapped[int] = mapped_column(Integer, server_default="0")
    #: Letters of the latest step, at most, and when it was decided: its actions have this time.
    size: Mapped[int] = mapped_column(Integer, server_default="0")
    step_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    actor_id: Mapped[UUID | None] = mapped_column(Uuid)
    actor_name: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint("state IN ('running', 'done', 'failed', 'stopped')", name="gradual_replay_state_check"),
        Index("gradual_replay_running", "state", unique=True, postgresql_where=text("state = 'running'")),
    )


class DeadLetterNote(Base):
    """What somebody has written about the dead letters of one type and reason, for whoever looks next."""

    __tablename__ = "dead_letter_note"
    type: Mapped[str] = mapped_column(Text, primary_key=True)
    reason: Mapped[str] = mapped_column(Text, primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    actor_id: Mapped[UUID | None] = mapped_column(Uuid)
    actor_name: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)


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


#: What a body says, NULL if it is no JSON that Postgres can keep: so a search can look into all of them.
HELD_BODY = """
    CREATE OR REPLACE FUNCTION held_body(body bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT COST 1000 AS $$
    BEGIN
        RETURN convert_from(body, 'UTF8')::jsonb;
    EXCEPTION WHEN data_exception OR program_limit_exceeded OR statement_too_complex THEN
        RETURN NULL;
    END $$
"""
event.listen(
    HeldMessage.__table__,
    "after_create",
    DDL(HELD_BODY),  # type: ignore[no-untyped-call]
)
event.listen(
    HeldMessage.__table__,
    "after_drop",
    DDL("DROP FUNCTION IF EXISTS held_body"),  # type: ignore[no-untyped-call]
)


def create_tables(engine: Engine) -> None:
    """Create the tables that are missing: for services without migrations, which will have to bring them up to date.

    One process at a time: two that find a table missing would both create it.
    """
    metadata.create_all(engine)
    with engine.begin() as connection:
        progress = insert(RelayProgress).values(id=1, published_total=0)
        connection.execute(progress.on_conflict_do_nothing())
