"""The tables of messaging, version by version, for the migrations of a service.

A service calls the next function in a migration of its own and hands over alembic's `op` module.
A published version never changes.
"""

from types import ModuleType

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from messaging.envelope import Event
from messaging.errors import NotFromItsProducer, PermanentError

_NOW = sa.func.now()
_REQUESTED = "'replay_requested', 'discard_requested'"
_OPEN = f"'dead', {_REQUESTED}"
_STATES = f"{_OPEN}, 'replayed', 'discarded'"


def create_tables_v1(op: ModuleType, *, app_role: str | None) -> None:
    """Create outbox, relay_progress, inbox, waiting, suspect, dead_letter and dead_letter_action.

    `app_role` is the role that the service's processes connect as: of what people did with dead letters it can change
    nothing. None if they connect as the owner of the tables.
    """
    _create_outbox(op)
    op.create_table(
        "relay_progress",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("published_total", sa.BigInteger(), nullable=False),
    )
    op.execute("INSERT INTO relay_progress VALUES (1, 0)")
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.Uuid(), primary_key=True),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
    )
    op.create_index("inbox_handled_at", "inbox", ["handled_at"], postgresql_using="brin")
    op.create_table(
        "waiting",
        sa.Column("event_id", sa.Uuid(), primary_key=True),
        sa.Column("aggregate", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("waiting_aggregate", "waiting", ["aggregate", "sequence"])
    op.create_table(
        "suspect",
        sa.Column("event_id", sa.Uuid(), primary_key=True),
        sa.Column("starts", sa.Integer(), nullable=False),
    )
    _create_dead_letter(op)
    _create_dead_letter_action(op)
    if app_role is not None:
        quoted = op.get_bind().dialect.identifier_preparer.quote(app_role)
        op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON dead_letter_action FROM {quoted}")


def create_tables_v2(op: ModuleType) -> None:
    """Create replay."""
    op.create_table(
        "replay",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("run", sa.Uuid(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("forgot", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.CheckConstraint("id = 1", name="replay_one_check"),
    )


def protect_outbox_v3(op: ModuleType, *, app_role: str | None) -> None:
    """Let nobody delete an event that is pending, and the app role change nothing of one but when it was published."""
    op.execute("""
        CREATE FUNCTION outbox_keep_pending() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'event % is pending: it may be deleted once the broker has it', OLD.event_id
                USING ERRCODE = 'restrict_violation';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER outbox_keep_pending BEFORE DELETE ON outbox FOR EACH ROW
          WHEN (OLD.published_at IS NULL) EXECUTE FUNCTION outbox_keep_pending()
    """)
    if app_role is not None:
        quoted = op.get_bind().dialect.identifier_preparer.quote(app_role)
        op.execute(f"REVOKE UPDATE ON outbox FROM {quoted}")
        op.execute(f"GRANT UPDATE (published_at) ON outbox TO {quoted}")


def one_table_v4(op: ModuleType) -> None:
    """Make of dead_letter, waiting and suspect the one table held_message.

    Dead letters keep their ids and what was decided. An event that waited is on its way back from a wait queue of the
    broker: it gets a row without a message, which keeps its place in the line until the message is there. Should that
    not be within an hour, the row is a dead letter.
    """
    op.rename_table("dead_letter", "held_message")
    op.drop_index("dead_letter_open", "held_message")
    op.drop_index("dead_letter_requested", "held_message")
    op.drop_constraint("dead_letter_state_check", "held_message")
    op.execute("ALTER INDEX dead_letter_pkey RENAME TO held_message_pkey")
    op.execute("ALTER INDEX dead_letter_position_key RENAME TO held_message_position_key")
    op.execute("ALTER SEQUENCE dead_letter_position_seq RENAME TO held_message_position_seq")
    for column in (
        sa.Column("aggregate", sa.Text()),
        sa.Column("sequence", sa.Integer()),
        sa.Column("strict", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("starts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("started_by", sa.Uuid()),
        sa.Column("mirrored_at", sa.DateTime(timezone=True)),
    ):
        op.add_column("held_message", column)
    for name, default in (("state", None), ("deaths", "0"), ("attempts", "0"), ("reason", ""), ("detail", "")):
        op.alter_column("held_message", name, server_default=default)
    op.execute("UPDATE held_message SET mirrored_at = now() WHERE state NOT IN ('replayed', 'discarded')")
    _take_in_letters(op.get_bind())
    op.execute("""
        UPDATE held_message SET state = 'replayed' WHERE state = 'replay_requested' AND replacement IS NOT NULL
    """)
    op.execute("UPDATE held_message SET due_at = now(), attempts = 0 WHERE state = 'replay_requested'")
    op.execute("""
        INSERT INTO dead_letter_action (letter_id, action)
        SELECT id, 'discarded' FROM held_message WHERE state = 'discard_requested'
    """)
    op.execute("UPDATE held_message SET state = 'discarded' WHERE state = 'discard_requested'")
    op.execute("""
        INSERT INTO held_message (id, state, aggregate, sequence, due_at, type, body, content_type, headers, detail)
        SELECT event_id, 'waiting', aggregate, sequence, greatest(retry_at, now()) + interval '1 hour', '', '',
               'application/cloudevents+json', '{}', 'its message is on its way back from a wait queue'
          FROM waiting ON CONFLICT DO NOTHING
    """)
    op.drop_table("waiting")
    op.drop_table("suspect")
    in_line = "state IN ('waiting', 'blocked') OR (strict AND state IN ('dead', 'replay_requested'))"
    for name, columns, where in (
        ("open", ["type", "reason", "position"], "state IN ('dead', 'replay_requested')"),
        ("line", ["aggregate", "sequence", "position"], in_line),
        ("due", ["due_at", "position"], "due_at IS NOT NULL"),
        ("held", ["position"], "state IN ('waiting', 'blocked')"),
        ("mirrored", ["position"], "state = 'dead' AND mirrored_at IS NOT NULL"),
        ("to_mirror", ["position"], "(state = 'dead') = (mirrored_at IS NULL)"),
    ):
        op.create_index(f"held_message_{name}", "held_message", columns, postgresql_where=sa.text(where))
    for name, condition in (
        ("state", "state IN ('waiting', 'blocked', 'dead', 'replay_requested', 'replayed', 'discarded')"),
        ("place", "aggregate IS NOT NULL OR state NOT IN ('waiting', 'blocked')"),
        ("due", "(due_at IS NOT NULL) = (state IN ('waiting', 'replay_requested'))"),
    ):
        op.create_check_constraint(f"held_message_{name}_check", "held_message", condition)


def operators_v5(op: ModuleType) -> None:
    """Create consumer_backlog, gradual_replay, dead_letter_note, and the function that looks into bodies."""
    op.create_table(
        "consumer_backlog",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("ready", sa.Integer(), nullable=False),
        sa.Column("consumers", sa.Integer(), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name="consumer_backlog_one_check"),
    )
    op.create_table(
        "gradual_replay",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("type", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("field", sa.Text()),
        sa.Column("up_to_position", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("handled", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("dead_again", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("size", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("step_at", sa.DateTime(timezone=True)),
        sa.Column("actor_id", sa.Uuid()),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("state IN ('running', 'done', 'failed', 'stopped')", name="gradual_replay_state_check"),
    )
    op.create_index(
        "gradual_replay_running",
        "gradual_replay",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "dead_letter_note",
        sa.Column("type", sa.Text(), primary_key=True),
        sa.Column("reason", sa.Text(), primary_key=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
    )
    op.execute("""
        CREATE FUNCTION held_body(body bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT COST 1000 AS $$
        BEGIN
            RETURN convert_from(body, 'UTF8')::jsonb;
        EXCEPTION WHEN data_exception OR program_limit_exceeded OR statement_too_complex THEN
            RETURN NULL;
        END $$
    """)


def trails_v6(op: ModuleType) -> None:
    """Create the indexes by which the events of a thread of causes are found. Postgres 14 or newer."""
    op.execute("""
        CREATE INDEX outbox_trails ON outbox
         USING brin (correlation_id uuid_bloom_ops, event_id uuid_bloom_ops, subject text_bloom_ops)
          WITH (pages_per_range = 32, autosummarize = on)
    """)
    op.create_index("held_message_trail", "held_message", [sa.text("(properties ->> 'correlation_id')")])


def _take_in_letters(connection: sa.Connection) -> None:
    """Give letters their place in the line, and a row of its own to what was edited and had yet to be sent."""
    letters = connection.execute(sa.text("SELECT id, body, reason, state, replacement FROM held_message")).all()
    for letter_id, body, reason, state, replacement in letters:
        event = None if reason == NotFromItsProducer.reason else _event_or_none(bytes(body))
        if event is not None:
            place = {"id": letter_id, "aggregate": event.aggregate, "sequence": event.sequence}
            stands = "UPDATE held_message SET aggregate = :aggregate, sequence = :sequence WHERE id = :id"
            connection.execute(sa.text(stands), place)
        if state == "replay_requested" and replacement is not None:
            _insert_edited(connection, Event.from_bytes(bytes(replacement)))


def _event_or_none(body: bytes) -> Event | None:
    try:
        return Event.from_bytes(body)
    except PermanentError:
        return None


def _insert_edited(connection: sa.Connection, event: Event) -> None:
    said = {
        "message_id": str(event.id),
        "app_id": event.producer,
        "correlation_id": str(event.correlation_id),
        "timestamp": int(event.time.timestamp()),
        "routing_key": event.type,
        "sent_by": "dead-letter desk",
    }
    row = {
        "id": event.id,
        "type": event.type,
        "aggregate": event.aggregate,
        "sequence": event.sequence,
        "body": event.to_bytes(),
        "properties": said,
    }
    statement = sa.text("""
        INSERT INTO held_message (id, state, due_at, type, aggregate, sequence, body, content_type, headers, properties)
        VALUES (:id, 'waiting', now(), :type, :aggregate, :sequence, :body, 'application/cloudevents+json', '{}',
                :properties)
        ON CONFLICT DO NOTHING
    """)
    connection.execute(statement.bindparams(sa.bindparam("properties", type_=JSONB)), row)


def _create_outbox(op: ModuleType) -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("correlation_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.Column("published_at", sa.DateTime(timezone=True)),
    )
    op.create_index("outbox_pending", "outbox", ["id"], postgresql_where=sa.text("published_at IS NULL"))


def _create_dead_letter(op: ModuleType) -> None:
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("position", sa.BigInteger(), sa.Identity(), nullable=False, unique=True),
        sa.Column("state", sa.Text(), nullable=False, server_default="dead"),
        sa.Column("deaths", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("replacement", sa.LargeBinary()),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("headers", JSONB(), nullable=False),
        sa.Column("properties", JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("died_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.CheckConstraint(f"state IN ({_STATES})", name="dead_letter_state_check"),
    )
    op.create_index(
        "dead_letter_open",
        "dead_letter",
        ["type", "reason", "position"],
        postgresql_where=sa.text(f"state IN ({_OPEN})"),
    )
    op.create_index(
        "dead_letter_requested",
        "dead_letter",
        ["position"],
        postgresql_where=sa.text(f"state IN ({_REQUESTED})"),
    )


def _create_dead_letter_action(op: ModuleType) -> None:
    op.create_table(
        "dead_letter_action",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("letter_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.Column("actor_name", sa.Text()),
        sa.Column("detail", sa.Text(), nullable=False, server_default=""),
    )
    op.create_index("dead_letter_action_letter", "dead_letter_action", ["letter_id", "id"])
    op.create_index(
        "dead_letter_action_decisions",
        "dead_letter_action",
        ["at"],
        postgresql_where=sa.text("actor_name IS NOT NULL"),
    )
