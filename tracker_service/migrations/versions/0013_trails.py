"""What one request set off is found by its correlation id."""

from alembic import op

from messaging.migrations import trails_v6

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indexes."""
    trails_v6(op)
