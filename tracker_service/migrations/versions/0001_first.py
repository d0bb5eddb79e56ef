"""People, tasks, reassignments, and the tables of messaging."""

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
    _create_users()
    _create_tasks()
    _create_reassignments()
    _create_request_keys()


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
    )
    op.create_index(
        "users_can_be_assigned_idx",
        "users",
        ["user_id"],
        postgresql_where=sa.text("status = 'active' AND role NOT IN ('manager', 'admin')"),
    )


def _create_tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("public_id", sa.Uuid(), nullable=False, unique=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("jira_id", sa.Text()),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("assignee_id", sa.Uuid(), sa.ForeignKey("users.user_id"), nullable=False),
        sa.Column("assignment_no", sa.Integer(), nullable=False),
        sa.Column("fee_cents", sa.Integer()),
        sa.Column("reward_cents", sa.Integer()),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("status IN ('open', 'done')", name="tasks_status_check"),
        sa.CheckConstraint("(status = 'done') = (completed_at IS NOT NULL)", name="tasks_completed_at_check"),
    )
    op.create_index("tasks_assignee_idx", "tasks", ["assignee_id", "status", "id"])
    op.create_index("tasks_open_idx", "tasks", ["id"], postgresql_where=sa.text("status = 'open'"))


def _create_reassignments() -> None:
    op.create_table(
        "reassignments",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("requested_by", sa.Uuid()),
        sa.Column("only_assignee_id", sa.Uuid()),
        sa.Column("upper_bound", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("nobody_to_assign", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("status IN ('running', 'finished')", name="reassignments_status_check"),
        sa.CheckConstraint("(status = 'finished') = (finished_at IS NOT NULL)", name="reassignments_finished_at_check"),
    )
    op.create_index("reassignments_started_at_idx", "reassignments", ["started_at"])


def _create_request_keys() -> None:
    op.create_table(
        "request_keys",
        sa.Column("user_id", sa.Uuid(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("request_keys_created_at_idx", "request_keys", ["created_at"])
