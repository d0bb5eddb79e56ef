"""Adds the former assignees of tasks, when a run was last asked to go on, and indexes for waiting tasks."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it. A run that is under way counts as asked when it was started."""
    op.create_table(
        "former_assignees",
        sa.Column("task_number", sa.BigInteger(), sa.ForeignKey("tasks.id"), primary_key=True),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.user_id"), primary_key=True),
    )
    op.add_column("reassignments", sa.Column("asked_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE reassignments SET asked_at = started_at")
    op.alter_column("reassignments", "asked_at", nullable=False)
    op.create_index(
        "reassignments_running_idx", "reassignments", ["asked_at"], postgresql_where=sa.text("status = 'running'")
    )
    op.create_index("users_blocked_idx", "users", ["user_id"], postgresql_where=sa.text("status = 'blocked'"))
