"""Whether a fault in the books is found. The faults are made by the owner, with the guards taken away."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from billing_service import commands
from billing_service.jobs import PROBLEMS
from tests.business_clock import owner_engine
from tests.integration.billing_house import DAY, NOON, ONE_DAY, House, assigned, completed, operator, someone, user


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    rio, kea, task = someone(), someone(), someone()
    house.handle(user(rio), user(kea), assigned(task, kea), completed(task, rio))
    house.close(DAY, at=NOON + ONE_DAY)
    house.handle(assigned(someone(), rio), at=NOON + ONE_DAY)
    yield house
    house.dispose()


def damage(house: House, sql: str) -> None:
    engine = owner_engine(house.settings)
    with engine.begin() as connection:
        for table in ("ledger_entries", "ledger_transactions", "statements", "days"):
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        connection.execute(text(sql))
    engine.dispose()


FAULTS = {
    "UPDATE ledger_entries SET amount_cents = amount_cents + 1 WHERE id = 1": [
        "the ledger does not sum to zero",
        "a transaction does not sum to zero",
        "an account's balance is not the sum of its entries",
        "a fee or a reward is not the task's price",
    ],
    "UPDATE accounts SET balance_cents = balance_cents - 1 WHERE balance_cents < 0": [
        "an account's balance is not the sum of its entries"
    ],
    "UPDATE ledger_entries SET balance_after_cents = 0 WHERE balance_after_cents < 0": [
        "an entry's balance is not the one before it plus its amount"
    ],
    "UPDATE tasks SET fee_cents = fee_cents + 1": ["a fee or a reward is not the task's price"],
    "DROP INDEX ledger_reward_key; UPDATE ledger_transactions SET kind = 'reward', assignment_no = NULL, "
    "task_id = (SELECT task_id FROM ledger_transactions WHERE kind = 'reward') WHERE kind = 'fee'": [
        "an assignment was charged or a task was rewarded twice"
    ],
    "UPDATE payouts SET amount_cents = amount_cents + 1": ["a payout is not what the ledger says"],
    "DELETE FROM payouts": ["a payout is not what the ledger says"],
    "UPDATE ledger_transactions SET posted_at = posted_at + interval '2 days' WHERE kind = 'payout'": [
        "something was posted into a day after it was closed"
    ],
    "UPDATE days SET status = 'closed', closed_at = now(); UPDATE days SET status = 'open', closed_at = NULL "
    "WHERE day = (SELECT min(day) FROM days)": ["a day is missing, or was closed before an earlier one"],
    "INSERT INTO days (day) VALUES ('2027-01-01')": ["a day is missing, or was closed before an earlier one"],
    "UPDATE days SET fees_cents = fees_cents + 1 WHERE status = 'closed'": [
        "the management's income of a day is not its fees minus its rewards"
    ],
    "UPDATE statements SET fees_cents = fees_cents + 1": ["a statement is not what the ledger says"],
    "DELETE FROM statements": ["a statement is not what the ledger says"],
    "INSERT INTO statements SELECT day + 1, account_id, opening_cents + 1, 0, 0, 0, 0 FROM statements": [
        "a statement does not begin with what the one before it left"
    ],
    "DELETE FROM payouts; DELETE FROM ledger_entries WHERE transaction_id IN "
    "(SELECT id FROM ledger_transactions WHERE kind = 'payout')": ["a closed day left a positive balance unpaid"],
}


def test_books_that_were_written_by_billing_alone_balance(house: House) -> None:
    assert house.problems() == []


@pytest.mark.parametrize("sql", FAULTS)
def test_a_fault_is_found_and_named(house: House, sql: str) -> None:
    damage(house, sql)
    found = {problem.partition(":")[0] for problem in house.problems()}
    assert found >= set(FAULTS[sql])


def test_the_robot_says_so_when_the_latest_closed_day_does_not_balance(house: House) -> None:
    house.robot(at=NOON + ONE_DAY)
    assert PROBLEMS._value.get() == 0
    damage(house, "DELETE FROM payouts")
    house.robot(at=NOON + ONE_DAY)
    (run,) = house.rows("SELECT checked_day, problems FROM robot_run")
    assert run.checked_day == DAY
    assert "a payout is not what the ledger says" in run.problems
    assert PROBLEMS._value.get() == 1


def test_the_robot_notices_that_its_last_run_died(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    with house.database.transaction() as session:
        assert commands.start_run(session)
    with house.database.transaction() as session:
        assert not commands.start_run(session)
    house.robot(at=NOON + ONE_DAY)
    assert "last_robot_run_did_not_finish" in capsys.readouterr().out
    with house.database.transaction() as session:
        assert commands.start_run(session)


def test_an_operator_verifies_the_books(house: House) -> None:
    good = operator(house, "verify", "--json")
    assert (good.returncode, json.loads(good.stdout)) == (0, {"balances": True, "problems": []})
    damage(house, "DELETE FROM payouts")
    bad = operator(house, "verify", "--json")
    assert bad.returncode == 1
    assert json.loads(bad.stdout)["problems"][0]["fault"] == "a payout is not what the ledger says"
    assert "a payout is not what the ledger says" in operator(house, "verify").stdout


def test_an_operator_closes_a_day(migrated: Callable[..., Any]) -> None:
    house = House(migrated("billing"))
    house.post_to_new(someone(), 700)
    done = operator(house, "close-day", str(DAY), "--json")
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer == {"day": str(DAY), "status": "closed", "closed_now": [str(DAY)], "payout_cents": 700}
    future = operator(house, "close-day", "2999-01-01")
    assert future.returncode == 1
    assert "has not begun yet" in future.stderr
    house.dispose()
