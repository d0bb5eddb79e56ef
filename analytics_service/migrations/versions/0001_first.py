"""People, tasks, what billing announced, what the movements add up to, and the tables of messaging."""

import sqlalchemy as sa
from alembic import op

from chassis.migrate import app_role
from messaging.migrations import create_tables_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    create_tables_v1(op, app_role=app_role(op))
    _create_replicas()
    _create_announced()
    _create_moved()


def _create_replicas() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
    )
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.Uuid(), primary_key=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("jira_id", sa.Text()),
        sa.Column("sequence", sa.Integer(), nullable=False),
    )


def _create_announced() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("balance_cents", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
    )
    op.create_index(
        "accounts_below_zero_idx", "accounts", ["balance_cents"], postgresql_where=sa.text("balance_cents < 0")
    )
    op.create_table(
        "income_days",
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("fees_cents", sa.BigInteger(), nullable=False),
        sa.Column("rewards_cents", sa.BigInteger(), nullable=False),
        sa.Column("income_cents", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
    )
    op.create_table(
        "closed_days",
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("fees_cents", sa.BigInteger(), nullable=False),
        sa.Column("rewards_cents", sa.BigInteger(), nullable=False),
        sa.Column("income_cents", sa.BigInteger(), nullable=False),
        sa.Column("negative_accounts", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
    )


def _create_moved() -> None:
    op.create_table(
        "movements",
        sa.Column("transaction_id", sa.Uuid(), primary_key=True),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Uuid()),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index(
        "movements_top_task_idx",
        "movements",
        ["business_day", sa.text("amount_cents DESC"), "posted_at", "task_id"],
        postgresql_where=sa.text("kind = 'reward'"),
    )
    op.create_table(
        "account_days",
        sa.Column("account_id", sa.Uuid(), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("balance_cents", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "movement_days",
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("fees_cents", sa.BigInteger(), nullable=False),
        sa.Column("rewards_cents", sa.BigInteger(), nullable=False),
        sa.Column("negative_change", sa.Integer(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True)),
    )
