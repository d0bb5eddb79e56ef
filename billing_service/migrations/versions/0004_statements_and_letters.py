"""The clock of the business, the statements of closed days, letters that are claimed before they are sent."""

import sqlalchemy as sa
from alembic import op

from chassis.business_clock import create_business_now
from chassis.migrate import app_role

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: What each account had before a day is the sum of its movements on all days before, closed by then or not.
_STATEMENTS_OF_CLOSED_DAYS = """
    INSERT INTO statements (day, account_id, opening_cents, fees_cents, rewards_cents, corrections_cents, payout_cents)
    SELECT day, account_id, opening_cents, fees_cents, rewards_cents, corrections_cents, payout_cents FROM (
        SELECT days.day, days.status, account.id AS account_id, account.opened_on,
               coalesce(sum(moved.cents) OVER before, 0)::bigint AS opening_cents,
               coalesce(moved.fees_cents, 0)::bigint AS fees_cents,
               coalesce(moved.rewards_cents, 0)::bigint AS rewards_cents,
               coalesce(moved.corrections_cents, 0)::bigint AS corrections_cents,
               coalesce(moved.payout_cents, 0)::bigint AS payout_cents
        FROM days
        CROSS JOIN (SELECT id, opened_on FROM accounts WHERE kind = 'employee') account
        LEFT JOIN (
            SELECT entry.account_id, entry.business_day, sum(amount_cents) AS cents,
                   -sum(amount_cents) FILTER (WHERE kind = 'fee') AS fees_cents,
                   sum(amount_cents) FILTER (WHERE kind = 'reward') AS rewards_cents,
                   sum(amount_cents) FILTER (WHERE kind = 'correction') AS corrections_cents,
                   -sum(amount_cents) FILTER (WHERE kind = 'payout') AS payout_cents
            FROM ledger_entries entry JOIN ledger_transactions movement ON movement.id = entry.transaction_id
            GROUP BY entry.account_id, entry.business_day
        ) moved ON moved.account_id = account.id AND moved.business_day = days.day
        WINDOW before AS (
            PARTITION BY account.id ORDER BY days.day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) line
    WHERE status = 'closed' AND opened_on <= day
"""


def upgrade() -> None:
    """Create and fill the statements, and let letters be claimed."""
    create_business_now(op)
    _create_statements()
    op.execute(_STATEMENTS_OF_CLOSED_DAYS)
    _guard_statements()
    _let_letters_be_claimed()


def _create_statements() -> None:
    op.create_table(
        "statements",
        sa.Column("day", sa.Date(), sa.ForeignKey("days.day"), primary_key=True),
        sa.Column("account_id", sa.Uuid(), sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("opening_cents", sa.BigInteger(), nullable=False),
        sa.Column("fees_cents", sa.BigInteger(), nullable=False),
        sa.Column("rewards_cents", sa.BigInteger(), nullable=False),
        sa.Column("corrections_cents", sa.BigInteger(), nullable=False),
        sa.Column("payout_cents", sa.BigInteger(), nullable=False),
    )


def _guard_statements() -> None:
    """A statement is as final as the day that it is of."""
    op.execute(
        "CREATE TRIGGER statements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON statements "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()"
    )
    role = app_role(op)
    if role is not None:
        quoted = op.get_bind().dialect.identifier_preparer.quote(role)
        op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON statements FROM {quoted}")


def _let_letters_be_claimed() -> None:
    op.drop_constraint("payouts_letter_check", "payouts")
    op.create_check_constraint(
        op.f("payouts_letter_check"), "payouts", "letter IN ('pending', 'sending', 'sent', 'failed', 'unknown')"
    )
    # In the order in which letters are sent and payouts are listed, to the end: without the id, Postgres sorts all that
    # have the same moment or the same day to find the first few.
    op.drop_index("payouts_pending_idx", "payouts")
    op.create_index(
        "payouts_pending_idx", "payouts", ["next_attempt_at", "id"], postgresql_where=sa.text("letter = 'pending'")
    )
    op.create_index(
        "payouts_sending_idx", "payouts", ["next_attempt_at"], postgresql_where=sa.text("letter = 'sending'")
    )
    op.drop_index("payouts_day_idx", "payouts")
    op.create_index("payouts_day_idx", "payouts", ["day", "id"])
