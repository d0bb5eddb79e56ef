"""The sign-ins by photo that auth refused."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "refused_sign_ins",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id")),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("address", sa.Text()),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("refused_sign_ins_refused_at_idx", "refused_sign_ins", ["refused_at", "id"])
