"""The business clock of a demonstration may be ahead of the database's."""

from alembic import op

from chassis.clock_offset import create_clock_offset

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the row that says how far."""
    create_clock_offset(op)
