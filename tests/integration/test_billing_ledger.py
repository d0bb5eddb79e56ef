"""What the database itself refuses, and who may do what in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tests.business_clock import owner_engine
from tests.integration.billing_house import DAY, NOON, ONE_DAY, House, assigned, completed, someone, user


@pytest.fixture(scope="module")
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    rio, task = someone(), someone()
    house.handle(user(rio), assigned(task, rio), completed(task, rio))
    house.close(DAY, at=NOON)
    house.handle(assigned(someone(), rio))
    yield house
    house.dispose()


@pytest.fixture(scope="module")
def owner(house: House) -> Iterator[Engine]:
    """The owner of the tables, who has every right to break things by mistake."""
    engine = owner_engine(house.settings)
    yield engine
    engine.dispose()


@contextmanager
def refused(words: str) -> Iterator[None]:
    with pytest.raises(DBAPIError, match=words):
        yield


DAMAGE = [
    "UPDATE {table} SET business_day = business_day",
    "DELETE FROM {table}",
    "TRUNCATE {table} CASCADE",
]


@pytest.mark.parametrize("table", ["ledger_transactions", "ledger_entries"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_the_app_role_may_not_change_or_remove_what_was_posted(house: House, table: str, damage: str) -> None:
    with refused("permission denied"), house.database.transaction() as session:
        session.execute(text(damage.format(table=table)))


@pytest.mark.parametrize("table", ["ledger_transactions", "ledger_entries"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_even_a_mistake_of_the_owner_is_refused(owner: Engine, table: str, damage: str) -> None:
    with refused("the ledger is append-only"), owner.begin() as connection:
        connection.execute(text(damage.format(table=table)))


@pytest.mark.parametrize(
    "ddl",
    [
        "CREATE TABLE mine (id int)",
        "DROP TRIGGER ledger_entries_append_only ON ledger_entries",
        "ALTER TABLE ledger_entries DISABLE TRIGGER ALL",
        "ALTER TABLE ledger_entries ADD COLUMN more int",
    ],
)
def test_the_app_role_may_not_change_the_tables_themselves(house: House, ddl: str) -> None:
    with refused("permission denied|must be owner"), house.database.transaction() as session:
        session.execute(text(ddl))


@pytest.mark.parametrize("table", ["accounts", "days", "payouts", "tasks"])
def test_the_app_role_may_not_delete_what_the_ledger_stands_on(house: House, table: str) -> None:
    with refused("permission denied"), house.database.transaction() as session:
        session.execute(text(f"DELETE FROM {table}"))


def transaction(connection: Any, *amounts: int, day: Any = DAY + ONE_DAY, kind: str = "payout") -> None:
    """Write a transaction with these entries, past the commands."""
    connection.execute(
        text(
            """
            WITH movement AS (
                INSERT INTO ledger_transactions (id, kind, business_day, posted_at)
                VALUES (:id, :kind, :day, :now) RETURNING id, business_day
            )
            INSERT INTO ledger_entries (transaction_id, business_day, account_id, amount_cents)
            SELECT movement.id, business_day, account.id, amount
            FROM movement, unnest(CAST(:amounts AS bigint[])) WITH ORDINALITY AS entry (amount, place)
            JOIN (SELECT id, row_number() OVER (ORDER BY kind) AS place FROM accounts) account USING (place)
            """
        ),
        {"id": uuid4(), "day": day, "kind": kind, "now": NOON, "amounts": list(amounts)},
    )


@pytest.mark.parametrize("amounts", [(), (100,), (100, -99), (100, -50, -49)])
def test_entries_that_do_not_sum_to_zero_are_not_committed(owner: Engine, amounts: tuple[int, ...]) -> None:
    with refused("entries that sum to"), owner.begin() as connection:
        transaction(connection, *amounts)


def test_an_entry_added_to_a_transaction_of_old_is_not_committed(owner: Engine) -> None:
    with refused("entries that sum to"), owner.begin() as connection:
        connection.execute(
            text(
                """
                INSERT INTO ledger_entries (transaction_id, business_day, account_id, amount_cents)
                SELECT movement.id, movement.business_day, account.id, 100
                FROM ledger_transactions movement, accounts account
                WHERE movement.business_day > :closed AND account.kind = 'bank' LIMIT 1
                """
            ),
            {"closed": DAY},
        )


def test_nothing_is_posted_into_a_closed_day(owner: Engine) -> None:
    with refused("is closed: nothing is posted into it"), owner.begin() as connection:
        transaction(connection, 100, -100, day=DAY)


def test_an_entry_cannot_be_of_another_day_than_its_transaction(owner: Engine) -> None:
    with refused("foreign key"), owner.begin() as connection:
        connection.execute(text("INSERT INTO days (day) VALUES (:day)"), {"day": DAY + 2 * ONE_DAY})
        connection.execute(
            text(
                """
                INSERT INTO ledger_entries (transaction_id, business_day, account_id, amount_cents)
                SELECT movement.id, :other, account.id, 100 FROM ledger_transactions movement, accounts account
                WHERE account.kind = 'bank' LIMIT 1
                """
            ),
            {"other": DAY + 2 * ONE_DAY},
        )


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE days SET status = 'open', closed_at = NULL WHERE day = :closed",
        "UPDATE days SET fees_cents = 0 WHERE day = :closed",
        "INSERT INTO days (day) VALUES (CAST(:closed AS date) - 1)",
    ],
)
def test_a_closed_day_stays_as_it_is(house: House, change: str) -> None:
    with refused("closed"), house.database.transaction() as session:
        session.execute(text(change), {"closed": DAY})


def test_a_day_does_not_close_before_the_one_before_it(house: House) -> None:
    with refused("still open"), house.database.transaction() as session:
        session.execute(text("INSERT INTO days (day) VALUES (:day)"), {"day": DAY + 2 * ONE_DAY})
        session.execute(
            text("UPDATE days SET status = 'closed', closed_at = :now WHERE day = :day"),
            {"day": DAY + 2 * ONE_DAY, "now": NOON},
        )


@pytest.mark.parametrize("kind", ["fee", "reward"])
def test_the_database_knows_that_an_assignment_and_a_completion_are_paid_once(owner: Engine, kind: str) -> None:
    with refused(f"ledger_{kind}_key"), owner.begin() as connection:
        connection.execute(
            text(
                """
                INSERT INTO ledger_transactions (id, kind, business_day, posted_at, task_id, assignment_no)
                SELECT gen_random_uuid(), kind, CAST(:day AS date), posted_at, task_id, assignment_no
                FROM ledger_transactions WHERE kind = :kind LIMIT 1
                """
            ),
            {"day": DAY + ONE_DAY, "kind": kind},
        )


def test_after_all_this_the_books_balance(house: House) -> None:
    assert house.problems() == []
