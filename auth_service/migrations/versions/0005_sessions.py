"""When each user was last blocked: what was given out by then counts no longer."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it. Of who is blocked now it is only known that it happened before."""
    op.add_column("users", sa.Column("valid_after", sa.DateTime(timezone=True)))
    op.execute("UPDATE users SET valid_after = now() WHERE status = 'blocked'")
