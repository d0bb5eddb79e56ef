"""The first page counts the letters that were not delivered."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index that they are counted by."""
    op.create_index(
        "payouts_in_trouble_idx", "payouts", ["id"], postgresql_where=sa.text("letter IN ('failed', 'unknown')")
    )
