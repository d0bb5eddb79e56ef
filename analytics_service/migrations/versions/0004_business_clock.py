"""The clock of the business."""

from alembic import op

from chassis.business_clock import create_business_now

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create `business_now()`."""
    create_business_now(op)
