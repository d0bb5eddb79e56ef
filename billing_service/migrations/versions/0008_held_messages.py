"""Events in trouble live in one table."""

from alembic import op

from messaging.migrations import one_table_v4

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it of the three that there were."""
    one_table_v4(op)
