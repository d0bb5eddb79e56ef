"""Whether movements sum to zero is looked at once for each statement, and no more once for each of its rows."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = ("ledger_transactions", "ledger_entries")


def upgrade() -> None:
    """Put a trigger with a transition table in the place of the one for rows.

    It looks right after the statement and not at the commit: a movement and its entries come in one statement.
    """
    for table in _TABLES:
        op.execute(f"DROP TRIGGER {table}_sum_to_zero ON {table}")
    op.execute(
        """
        CREATE OR REPLACE FUNCTION ledger_sums_to_zero() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            movements uuid[];
            wrong record;
        BEGIN
            IF TG_TABLE_NAME = 'ledger_entries' THEN
                SELECT array_agg(DISTINCT transaction_id) INTO movements FROM added;
            ELSE
                SELECT array_agg(id) INTO movements FROM added;
            END IF;
            SELECT movement, count(entry.id) AS entries, coalesce(sum(entry.amount_cents), 0) AS total INTO wrong
                FROM unnest(movements) movement LEFT JOIN ledger_entries entry ON entry.transaction_id = movement
                GROUP BY movement HAVING count(entry.id) < 2 OR sum(entry.amount_cents) <> 0
                LIMIT 1;
            IF FOUND THEN
                RAISE EXCEPTION 'transaction % has % entries that sum to %', wrong.movement, wrong.entries, wrong.total
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        END $$
        """
    )
    for table in _TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_sum_to_zero AFTER INSERT ON {table} REFERENCING NEW TABLE AS added "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_sums_to_zero()"
        )
