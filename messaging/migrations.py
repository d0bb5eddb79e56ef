"""The tables of messaging, version by version, for the migrations of a service.

A service calls the next function in a migration of its own and hands over alembic's `op` module.
A published version never changes.
"""

from types import ModuleType

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

_NOW = sa.func.now()


def create_tables_v1(op: ModuleType) -> None:
    """Create outbox, relay_progress, inbox, waiting, suspect and dead_letter."""
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
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False, unique=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("headers", JSONB(), nullable=False),
        sa.Column("died_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
    )
    op.create_index("dead_letter_type_reason", "dead_letter", ["type", "reason", "position"])
