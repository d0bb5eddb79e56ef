"""Events that are pending cannot be deleted, nor events be changed."""

from alembic import op

from chassis.migrate import app_role
from messaging.migrations import protect_outbox_v3

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Protect them."""
    protect_outbox_v3(op, app_role=app_role(op))
