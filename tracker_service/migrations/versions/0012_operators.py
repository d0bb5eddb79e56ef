"""What the console of operators needs: jobs and their runs, backlogs, gradual replays, notes."""

from alembic import op

from chassis.migrate import create_scheduled_jobs_v1
from messaging.migrations import operators_v5

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    operators_v5(op)
    create_scheduled_jobs_v1(op)
