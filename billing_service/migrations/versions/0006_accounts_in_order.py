"""Everybody's accounts are listed in the order in which they were opened."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index that a page of them is read from."""
    op.create_index(
        "accounts_opened_on_idx", "accounts", ["opened_on", "id"], postgresql_where=sa.text("kind = 'employee'")
    )
