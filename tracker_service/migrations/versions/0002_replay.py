"""What the live consumer pauses for: messaging's table of the replay that is under way."""

from alembic import op

from messaging.migrations import create_tables_v2

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it."""
    create_tables_v2(op)
