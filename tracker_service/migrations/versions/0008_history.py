"""What happened to tasks and what it cost: assignments, edits, and the money that billing tells of."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from chassis.business_clock import create_business_now

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

#: Former assignees are known as far back as the outbox reaches. Earlier ones are left out.
_TAKE_ASSIGNMENTS_FROM_OUTBOX = """
    INSERT INTO assignments (task_number, assignment_no, assignee_id, reassignment_id, assigned_at, event_id)
    SELECT tasks.id, (told.data->>'assignment_no')::int, (told.data->>'assignee_id')::uuid, reassignments.id,
           (told.data->>'assigned_at')::timestamptz, told.event_id
    FROM (SELECT event_id, (convert_from(body, 'UTF8')::json)->'data' AS data FROM outbox
          WHERE type = 'tracker.task_assigned.v1') told
    JOIN tasks ON tasks.public_id = (told.data->>'task_id')::uuid
    LEFT JOIN reassignments ON reassignments.id = (told.data->>'reassignment_id')::uuid
    ON CONFLICT DO NOTHING
"""
#: A task whose event has left the outbox keeps its present assignment. When that was made is not known any more, so it
#: stands at the task's beginning. No charge will name an event of this id.
_TAKE_PRESENT_ASSIGNMENTS = """
    INSERT INTO assignments (task_number, assignment_no, assignee_id, reassignment_id, assigned_at, event_id)
    SELECT id, assignment_no, assignee_id, NULL, created_at, gen_random_uuid() FROM tasks
    ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    """Create it, and fill in what the tracker still knows."""
    create_business_now(op)
    op.add_column("tasks", sa.Column("priced_at", sa.DateTime(timezone=True)))
    op.add_column("reassignments", sa.Column("charged", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("reassignments", sa.Column("cost_cents", sa.BigInteger(), nullable=False, server_default="0"))
    _create_assignments()
    _create_edits()
    _create_money()
    op.execute(_TAKE_ASSIGNMENTS_FROM_OUTBOX)
    op.execute(_TAKE_PRESENT_ASSIGNMENTS)
    op.drop_table("former_assignees")


def _create_assignments() -> None:
    op.create_table(
        "assignments",
        sa.Column("task_number", sa.BigInteger(), sa.ForeignKey("tasks.id"), primary_key=True),
        sa.Column("assignment_no", sa.Integer(), primary_key=True),
        sa.Column("assignee_id", sa.Uuid(), sa.ForeignKey("users.user_id"), nullable=False),
        sa.Column("reassignment_id", sa.Uuid(), sa.ForeignKey("reassignments.id")),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
    )
    op.create_index(
        "assignments_of_run_idx",
        "assignments",
        ["reassignment_id", "task_number"],
        postgresql_where=sa.text("reassignment_id IS NOT NULL"),
    )
    op.create_index("assignments_of_person_idx", "assignments", ["assignee_id", "assigned_at"])


def _create_edits() -> None:
    op.create_table(
        "task_edits",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("task_number", sa.BigInteger(), sa.ForeignKey("tasks.id"), nullable=False),
        sa.Column("edited_by", sa.Uuid(), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("before", JSONB(), nullable=False),
        sa.Column("after", JSONB(), nullable=False),
    )
    op.create_index("task_edits_task_number_idx", "task_edits", ["task_number"])


def _create_money() -> None:
    op.create_table(
        "movements",
        sa.Column("transaction_id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Uuid()),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("movements_of_task_idx", "movements", ["task_id"], postgresql_where=sa.text("task_id IS NOT NULL"))
    op.create_index("movements_of_person_idx", "movements", ["user_id", "business_day"])
    op.create_table(
        "balances",
        sa.Column("user_id", sa.Uuid(), primary_key=True),
        sa.Column("balance_cents", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
    )
    op.create_table(
        "carried_debts",
        sa.Column("user_id", sa.Uuid(), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("balance_cents", sa.BigInteger(), nullable=False),
        sa.Column("carried_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table("closed_days", sa.Column("day", sa.Date(), primary_key=True))
