"""The numbers of billing that stand on everybody's first page."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from tests.integration.billing_house import NOON, ONE_DAY, House, assigned, completed, someone


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    yield house
    house.dispose()


def test_a_worker_is_told_of_the_own_account_and_of_nothing_else(house: House) -> None:
    rio, task = house.person(), someone()
    house.handle(assigned(task, rio), completed(task, rio))
    told = house.api(rio).get("/summary").json
    assert told == {"account": house.api(rio).get("/accounts/me").json}
    assert told["account"]["today"]["rewards_cents"] > 0


def test_somebody_whom_billing_has_not_heard_of_has_no_account(house: House) -> None:
    assert house.api(someone()).get("/summary").json == {"account": None}


@pytest.mark.parametrize("role", ["accountant", "admin"])
def test_who_sees_everything_is_told_of_the_income_and_of_what_needs_a_person(house: House, role: str) -> None:
    rio, overseer = house.person(at=NOON - 2 * ONE_DAY), house.person(role, at=NOON - 2 * ONE_DAY)
    house.post(rio, 500, at=NOON - 2 * ONE_DAY)
    house.close((NOON - 2 * ONE_DAY).date(), at=NOON - ONE_DAY)
    house.handle(assigned(someone(), rio))
    books = house.api(overseer).get("/summary").json["books"]
    assert books == {
        "income_today_cents": house.rows("SELECT fee_cents FROM tasks")[0][0],
        "first_open_day": (NOON - ONE_DAY).date().isoformat(),
        "days_to_close": 1,
        "letters_in_trouble": 0,
    }
    with house.database.transaction() as session:
        session.execute(text("UPDATE payouts SET letter = 'failed'"))
    assert house.api(overseer).get("/summary").json["books"]["letters_in_trouble"] == 1
