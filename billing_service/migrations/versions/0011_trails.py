"""What one request set off is found by its correlation id, and a movement knows its own."""

import sqlalchemy as sa
from alembic import op

from messaging.migrations import trails_v6

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indexes and the column."""
    trails_v6(op)
    op.add_column("ledger_transactions", sa.Column("correlation_id", sa.Uuid()))
