"""What a person's own page shows: what they did lately, what was earned lately, and what of the news they have read."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indexes that it is read by, and how far everybody has read."""
    op.create_index(
        "tasks_done_idx",
        "tasks",
        ["assignee_id", "completed_at", "id"],
        postgresql_where=sa.text("status = 'done'"),
    )
    op.create_index("movements_lately_idx", "movements", ["user_id", "posted_at"])
    op.create_table(
        "news_read",
        sa.Column("user_id", sa.Uuid(), primary_key=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    )
