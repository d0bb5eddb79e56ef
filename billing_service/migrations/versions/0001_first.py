"""People, tasks with their prices, accounts, days, the ledger, payouts, and the tables of messaging.

What must hold of the ledger is held by the database itself, whoever writes: entries sum to zero, nothing is posted
into a closed day, nothing in the ledger is changed or removed, a closed day stays closed.
"""

import sqlalchemy as sa
from alembic import op

from chassis.migrate import app_role
from messaging.migrations import create_tables_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create everything."""
    create_tables_v1(op, app_role=app_role(op))
    _create_users()
    _create_tasks()
    _create_accounts()
    _create_days()
    _create_ledger()
    _create_payouts()
    _create_pricing_rules()
    _create_robot_run()
    _guard_days()
    _guard_ledger()
    _take_rights_from_app_role()


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
    )


def _create_tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.Uuid(), primary_key=True),
        sa.Column("title", sa.Text()),
        sa.Column("jira_id", sa.Text()),
        sa.Column("description", sa.Text()),
        sa.Column("words_sequence", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("fee_cents", sa.Integer(), nullable=False),
        sa.Column("reward_cents", sa.Integer(), nullable=False),
        sa.Column("priced_at", _MOMENT, nullable=False),
        sa.CheckConstraint("fee_cents > 0 AND reward_cents > 0", name="tasks_prices_check"),
    )


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), unique=True),
        sa.Column("status", sa.Text(), nullable=False, server_default="open"),
        sa.Column("balance_cents", sa.BigInteger()),
        sa.Column("opened_on", sa.Date()),
        sa.Column("version", sa.Integer(), nullable=False, server_default="0"),
        sa.CheckConstraint("kind IN ('employee', 'company', 'bank')", name="accounts_kind_check"),
        sa.CheckConstraint("status IN ('open', 'closed')", name="accounts_status_check"),
        sa.CheckConstraint(
            "(kind = 'employee') = (user_id IS NOT NULL) AND (kind = 'employee') = (balance_cents IS NOT NULL) "
            "AND (kind = 'employee') = (opened_on IS NOT NULL)",
            name="accounts_employee_check",
        ),
    )
    op.execute(
        """
        INSERT INTO accounts (id, kind) VALUES
            ('00000000-0000-4000-8000-00000000c0de', 'company'),
            ('00000000-0000-4000-8000-0000000ba4c0', 'bank')
        """
    )


def _create_days() -> None:
    op.create_table(
        "days",
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("status", sa.Text(), nullable=False, server_default="open"),
        sa.Column("closed_at", _MOMENT),
        sa.Column("fees_cents", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("rewards_cents", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("version", sa.Integer(), nullable=False, server_default="0"),
        sa.CheckConstraint("status IN ('open', 'closed')", name="days_status_check"),
        sa.CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="days_closed_at_check"),
        sa.CheckConstraint("fees_cents >= 0 AND rewards_cents >= 0", name="days_income_check"),
    )


def _create_ledger() -> None:
    op.create_table(
        "ledger_transactions",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("business_day", sa.Date(), sa.ForeignKey("days.day"), nullable=False),
        sa.Column("posted_at", _MOMENT, nullable=False),
        sa.Column("task_id", sa.Uuid(), sa.ForeignKey("tasks.task_id")),
        sa.Column("assignment_no", sa.Integer()),
        sa.Column("cause_event_id", sa.Uuid()),
        sa.Column("note", sa.Text()),
        sa.Column("made_by", sa.Uuid()),
        sa.UniqueConstraint("id", "business_day"),
        sa.CheckConstraint("kind IN ('fee', 'reward', 'payout', 'correction')", name="ledger_transactions_kind_check"),
        sa.CheckConstraint(
            "(kind IN ('fee', 'reward')) = (task_id IS NOT NULL)", name="ledger_transactions_task_check"
        ),
        sa.CheckConstraint("(kind = 'fee') = (assignment_no IS NOT NULL)", name="ledger_transactions_assignment_check"),
        sa.CheckConstraint(
            "(kind = 'correction') = (note IS NOT NULL AND made_by IS NOT NULL)",
            name="ledger_transactions_correction_check",
        ),
    )
    # The keys of the business: an assignment is charged once, a task is rewarded once.
    op.create_index(
        "ledger_fee_key",
        "ledger_transactions",
        ["task_id", "assignment_no"],
        unique=True,
        postgresql_where=sa.text("kind = 'fee'"),
    )
    op.create_index(
        "ledger_reward_key",
        "ledger_transactions",
        ["task_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'reward'"),
    )
    op.create_index("ledger_transactions_business_day_idx", "ledger_transactions", ["business_day"])
    op.create_table(
        "ledger_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=False),
        sa.Column("account_id", sa.Uuid(), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("balance_after_cents", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["transaction_id", "business_day"], ["ledger_transactions.id", "ledger_transactions.business_day"]
        ),
        sa.UniqueConstraint("transaction_id", "account_id"),
        sa.CheckConstraint("amount_cents <> 0", name="ledger_entries_amount_check"),
    )
    op.create_index("ledger_entries_account_idx", "ledger_entries", ["account_id", "business_day", "id"])
    op.create_index("ledger_entries_business_day_idx", "ledger_entries", ["business_day", "account_id"])


def _create_payouts() -> None:
    op.create_table(
        "payouts",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("account_id", sa.Uuid(), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("day", sa.Date(), sa.ForeignKey("days.day"), nullable=False),
        sa.Column("block_sequence", sa.Integer(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), sa.ForeignKey("ledger_transactions.id"), nullable=False, unique=True),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("letter", sa.Text(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("next_attempt_at", _MOMENT, nullable=False),
        sa.Column("sent_at", _MOMENT),
        sa.Column("sent_to", sa.Text()),
        sa.Column("last_error", sa.Text()),
        sa.UniqueConstraint("account_id", "day", "block_sequence"),
        sa.CheckConstraint("amount_cents > 0", name="payouts_amount_check"),
        sa.CheckConstraint("letter IN ('pending', 'sent', 'failed')", name="payouts_letter_check"),
    )
    op.create_index("payouts_day_idx", "payouts", ["day", "account_id"])
    op.create_index(
        "payouts_pending_idx", "payouts", ["next_attempt_at"], postgresql_where=sa.text("letter = 'pending'")
    )


def _create_pricing_rules() -> None:
    op.create_table(
        "pricing_rules",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("fee_min_cents", sa.Integer(), nullable=False),
        sa.Column("fee_max_cents", sa.Integer(), nullable=False),
        sa.Column("reward_min_cents", sa.Integer(), nullable=False),
        sa.Column("reward_max_cents", sa.Integer(), nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("changed_by", sa.Uuid()),
        sa.CheckConstraint("id = 1", name="pricing_rules_single_check"),
        sa.CheckConstraint(
            "fee_min_cents BETWEEN 1 AND fee_max_cents AND reward_min_cents BETWEEN 1 AND reward_max_cents",
            name="pricing_rules_ranges_check",
        ),
    )
    op.execute(
        """
        INSERT INTO pricing_rules (id, fee_min_cents, fee_max_cents, reward_min_cents, reward_max_cents)
        VALUES (1, 1000, 2000, 2000, 4000)
        """
    )


def _create_robot_run() -> None:
    op.create_table(
        "robot_run",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("finished_at", _MOMENT),
        sa.Column("checked_day", sa.Date()),
        sa.Column("problems", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name="robot_run_single_check"),
    )


def _guard_days() -> None:
    """Days close one after the other and for good."""
    op.execute(
        """
        CREATE FUNCTION days_close_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'INSERT' AND EXISTS (SELECT FROM days WHERE day >= NEW.day AND status = 'closed') THEN
                RAISE EXCEPTION 'day % is before a closed day', NEW.day USING ERRCODE = 'restrict_violation';
            ELSIF TG_OP = 'UPDATE' AND OLD.status = 'closed' THEN
                RAISE EXCEPTION 'day % is closed for good', OLD.day USING ERRCODE = 'restrict_violation';
            ELSIF TG_OP = 'UPDATE' AND EXISTS (SELECT FROM days WHERE day < NEW.day AND status = 'open') THEN
                RAISE EXCEPTION 'an earlier day than % is still open', NEW.day USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER days_close_in_order_insert BEFORE INSERT ON days "
        "FOR EACH ROW EXECUTE FUNCTION days_close_in_order()"
    )
    # Only when a day closes or was closed: every posting updates the income of its day.
    op.execute(
        "CREATE TRIGGER days_close_in_order_update BEFORE UPDATE ON days "
        "FOR EACH ROW WHEN (OLD.status = 'closed' OR NEW.status = 'closed' OR OLD.day <> NEW.day) "
        "EXECUTE FUNCTION days_close_in_order()"
    )


def _guard_ledger() -> None:
    _refuse_changes()
    _refuse_closed_days()
    _sum_to_zero()


def _refuse_changes() -> None:
    """The owner of the tables has the right to change them; this stops a mistake, not an intention."""
    op.execute(
        """
        CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the ledger is append-only: no % of %', TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    for table in ("ledger_transactions", "ledger_entries"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()"
        )


def _refuse_closed_days() -> None:
    """FOR SHARE: the day stays open until this transaction ends, since closing it is an update of its row."""
    op.execute(
        """
        CREATE FUNCTION ledger_days_are_open() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            closed_day date;
        BEGIN
            PERFORM FROM days WHERE day IN (SELECT business_day FROM added) FOR SHARE;
            SELECT day INTO closed_day FROM days
                WHERE day IN (SELECT business_day FROM added) AND status <> 'open' LIMIT 1;
            IF FOUND THEN
                RAISE EXCEPTION 'day % is closed: nothing is posted into it', closed_day
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NULL;
        END $$
        """
    )
    for table in ("ledger_transactions", "ledger_entries"):
        op.execute(
            f"CREATE TRIGGER {table}_open_day AFTER INSERT ON {table} REFERENCING NEW TABLE AS added "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_days_are_open()"
        )


def _sum_to_zero() -> None:
    """Checked at commit. With the transaction row: at least two entries. With each entry: still zero."""
    op.execute(
        """
        CREATE FUNCTION ledger_sums_to_zero() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            wanted uuid;
            entries bigint;
            total numeric;
        BEGIN
            IF TG_TABLE_NAME = 'ledger_entries' THEN
                wanted := NEW.transaction_id;
            ELSE
                wanted := NEW.id;
            END IF;
            SELECT count(*), sum(amount_cents) INTO entries, total FROM ledger_entries WHERE transaction_id = wanted;
            IF entries < 2 OR total <> 0 THEN
                RAISE EXCEPTION 'transaction % has % entries that sum to %', wanted, entries, coalesce(total, 0)
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        END $$
        """
    )
    for table in ("ledger_transactions", "ledger_entries"):
        op.execute(
            f"CREATE CONSTRAINT TRIGGER {table}_sum_to_zero AFTER INSERT ON {table} "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_sums_to_zero()"
        )


def _take_rights_from_app_role() -> None:
    """By default the app role may do anything with rows; in the ledger it inserts and selects, nothing else."""
    role = app_role(op)
    if role is not None:
        quoted = op.get_bind().dialect.identifier_preparer.quote(role)
        op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON ledger_transactions, ledger_entries FROM {quoted}")
        op.execute(f"REVOKE DELETE, TRUNCATE ON accounts, days, payouts, tasks FROM {quoted}")
