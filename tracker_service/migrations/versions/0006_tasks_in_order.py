"""A person's tasks, done or not, are listed newest first."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index that a page of them is read from."""
    op.create_index("tasks_of_assignee_idx", "tasks", ["assignee_id", "id"])
