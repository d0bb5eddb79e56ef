"""The tables of messaging, version by version, for the migrations of a service.

A service calls the next function in a migration of its own and hands over alembic's `op` module.
A published version never changes.
"""

from types import ModuleType

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

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
