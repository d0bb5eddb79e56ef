"""A database from before: the migration fills in what is kept from now on, and loses nothing."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import Engine, create_engine, text

import billing_service
from chassis.db import engine_url
from chassis.migrate import alembic_config
from deploy.databases import ServiceDatabase

MIGRATIONS = Path(billing_service.__file__).parent / "migrations"
RIO, KEA = UUID(int=1), UUID(int=2)
FIRST, SECOND, THIRD = date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 22)

#: Two days were closed: Rio was paid out, Kea's fee was carried; Kea came on the second day. The third day is open.
BEFORE = f"""
    INSERT INTO days (day, status, closed_at) VALUES
        ('{FIRST}', 'closed', now()), ('{SECOND}', 'closed', now()), ('{THIRD}', 'open', NULL);
    INSERT INTO accounts (id, kind, user_id, balance_cents, opened_on) VALUES
        ('{RIO}', 'employee', '{RIO}', 40, '{FIRST}'), ('{KEA}', 'employee', '{KEA}', -500, '{SECOND}');
    INSERT INTO tasks (task_id, fee_cents, reward_cents, priced_at) VALUES ('{UUID(int=9)}', 500, 900, now());
    INSERT INTO ledger_transactions (id, kind, business_day, posted_at, task_id, assignment_no, note, made_by) VALUES
        ('{UUID(int=11)}', 'reward', '{FIRST}', now(), '{UUID(int=9)}', NULL, NULL, NULL),
        ('{UUID(int=12)}', 'payout', '{FIRST}', now(), NULL, NULL, NULL, NULL),
        ('{UUID(int=13)}', 'fee', '{SECOND}', now(), '{UUID(int=9)}', 1, NULL, NULL),
        ('{UUID(int=14)}', 'correction', '{THIRD}', now(), NULL, NULL, 'a gift', '{KEA}');
    INSERT INTO ledger_entries (transaction_id, business_day, account_id, amount_cents, balance_after_cents) VALUES
        ('{UUID(int=11)}', '{FIRST}', '{RIO}', 900, 900),
        ('{UUID(int=12)}', '{FIRST}', '{RIO}', -900, 0),
        ('{UUID(int=13)}', '{SECOND}', '{KEA}', -500, -500),
        ('{UUID(int=14)}', '{THIRD}', '{RIO}', 40, 40);
    INSERT INTO payouts (id, account_id, day, block_sequence, amount_cents, transaction_id, made_at, letter, attempts,
                         next_attempt_at) VALUES
        ('{UUID(int=21)}', '{RIO}', '{FIRST}', 0, 900, '{UUID(int=12)}', now(), 'pending', 3, now());
"""
GUARDED = ("days", "ledger_transactions", "ledger_entries")


@pytest.fixture
def upgraded(database: Callable[..., ServiceDatabase]) -> Iterator[Engine]:
    """The owner's connections to a database that was filled at revision 0002 and brought up to date."""
    urls = database("billing")
    config = alembic_config(urls.owner_url, MIGRATIONS)
    command.upgrade(config, "0002")
    engine = create_engine(engine_url(urls.owner_url))
    with engine.begin() as connection:
        for table in GUARDED:
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        connection.execute(text(BEFORE))
        for table in GUARDED:
            connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
    command.upgrade(config, "head")
    yield engine
    engine.dispose()


def test_the_statements_of_days_that_were_closed_before_are_filled_in(upgraded: Engine) -> None:
    with upgraded.connect() as connection:
        lines = connection.execute(text("SELECT * FROM statements ORDER BY day, account_id")).all()
    assert [tuple(line) for line in lines] == [
        (FIRST, RIO, 0, 0, 900, 0, 900),
        (SECOND, RIO, 0, 0, 0, 0, 0),
        (SECOND, KEA, 0, 500, 0, 0, 0),
    ]


def test_a_letter_that_waited_goes_on_waiting(upgraded: Engine) -> None:
    with upgraded.connect() as connection:
        assert connection.execute(text("SELECT letter, attempts FROM payouts")).one() == ("pending", 3)
        due = "SELECT count(*) FROM payouts WHERE letter = 'pending' AND next_attempt_at <= business_now()"
        assert connection.scalar(text(due)) == 1
