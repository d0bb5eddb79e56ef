"""Runs over all open tasks take turns: one moves, the others wait."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

#: Of several that are under way, the one that was asked for first goes on alone.
_GIVE_TURNS = """
    UPDATE reassignments SET turn_at = started_at
    WHERE status = 'finished' OR only_assignee_id IS NOT NULL OR id = (
        SELECT id FROM reassignments WHERE status = 'running' AND only_assignee_id IS NULL
        ORDER BY started_at, id LIMIT 1
    )
"""


def upgrade() -> None:
    """Give each run that has ended, and one that has not, its turn."""
    op.add_column("reassignments", sa.Column("turn_at", sa.DateTime(timezone=True)))
    op.execute(_GIVE_TURNS)
    op.create_check_constraint("turn_at", "reassignments", "status = 'running' OR turn_at IS NOT NULL")
    op.drop_index("reassignments_started_at_idx", "reassignments")
    op.create_index("reassignments_in_order_idx", "reassignments", ["started_at", "id"])
    op.create_index(
        "reassignments_waiting_idx",
        "reassignments",
        ["started_at", "id"],
        postgresql_where=sa.text("turn_at IS NULL"),
    )
    op.create_index(
        "reassignments_one_turn_idx",
        "reassignments",
        ["status"],
        unique=True,
        postgresql_where=sa.text("status = 'running' AND turn_at IS NOT NULL AND only_assignee_id IS NULL"),
    )
