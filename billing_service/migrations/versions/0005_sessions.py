"""Which sessions have ended, and since when each user's tokens count."""

from alembic import op

from chassis.migrate import add_sessions_v1

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both."""
    add_sessions_v1(op)
