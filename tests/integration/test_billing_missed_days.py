"""Days that were missed: a few are closed by the robot, many only when a person has confirmed them."""

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from billing_service.errors import TooManyDays
from billing_service.jobs import UNCONFIRMED
from chassis.scheduler import JobWaitsForPerson
from tests.integration.billing_house import DAY, NOON, ONE_DAY, House, operator, someone, user

FIFTH_DAY = DAY + 4 * ONE_DAY


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    house.post_to_new(someone(), 1000)
    yield house
    house.dispose()


def closed(house: House) -> int:
    return len(house.rows("SELECT day FROM days WHERE status = 'closed'"))


def test_three_missed_days_are_closed_by_the_robot(house: House) -> None:
    house.robot(at=NOON + 3 * ONE_DAY)
    assert closed(house) == 3


def test_four_missed_days_wait_for_a_person_who_confirms_exactly_these(house: House) -> None:
    at = NOON + 4 * ONE_DAY
    with pytest.raises(JobWaitsForPerson, match="4 days would be closed at once, 2026-11-21 – 2026-11-24"):
        house.robot(at=at)
    assert (closed(house), UNCONFIRMED._value.get()) == (0, 4)
    (run,) = house.rows("SELECT finished_at FROM robot_run")
    assert run.finished_at

    last = DAY + 3 * ONE_DAY
    with pytest.raises(TooManyDays):
        house.close(last, at=at, confirmed_from=DAY + ONE_DAY)  # this leaves one out
    assert house.close(last, at=at, confirmed_from=DAY) == [DAY + n * ONE_DAY for n in range(4)]
    assert house.close(last, at=at, confirmed_from=DAY) == []
    house.robot(at=at)
    assert UNCONFIRMED._value.get() == 0
    assert house.problems() == []


def test_a_host_whose_clock_is_years_ahead_closes_nothing_and_posts_into_today(house: House) -> None:
    with time_machine.travel(datetime(2029, 8, 1, tzinfo=UTC), tick=False):
        house.robot(at=NOON)
        house.post_to_new(someone(), 500)
    assert [tuple(row) for row in house.rows("SELECT day, status FROM days")] == [(DAY, "open")]
    assert {row.business_day for row in house.rows("SELECT business_day FROM ledger_transactions")} == {DAY}


def test_a_database_whose_clock_is_years_ahead_closes_nothing_either(house: House) -> None:
    with pytest.raises(JobWaitsForPerson, match="days would be closed at once"):
        house.robot(at=datetime(2029, 8, 1, tzinfo=UTC))
    house.robot(at=NOON)
    assert [tuple(row) for row in house.rows("SELECT day, status FROM days")] == [(DAY, "open")]


def test_a_block_while_days_wait_leaves_the_payouts_to_their_close(house: House) -> None:
    rio = someone()
    house.post_to_new(rio, 3000)
    at = NOON + 4 * ONE_DAY
    house.post(rio, 500, at=at)
    house.handle(user(rio, sequence=2, status="blocked"), at=at)
    assert closed(house) == 0
    assert len(house.events("account_closed")) == 1
    assert house.balance(rio) == 3500
    house.close(FIFTH_DAY, at=at, confirmed_from=DAY)
    paid = "SELECT day, amount_cents FROM payouts JOIN accounts ON accounts.id = account_id WHERE user_id = :rio"
    assert sorted(tuple(row) for row in house.rows(paid, rio=rio)) == [(DAY, 3000), (FIFTH_DAY, 500)]
    assert house.problems() == []


def test_by_rest_many_days_are_refused_until_the_first_of_them_is_named(house: House) -> None:
    admin = house.api(house.person("admin", at=NOON + 4 * ONE_DAY))
    yesterday = FIFTH_DAY - ONE_DAY
    refused = admin.post(f"/days/{yesterday}/close")
    assert refused.status_code == 409
    assert "21 Nov 2026 – 24 Nov 2026" in refused.json["detail"]
    assert admin.post(f"/days/{yesterday}/close?from=nut").status_code == 422
    confirmed = admin.post(f"/days/{yesterday}/close?from={DAY}")
    assert (confirmed.status_code, confirmed.json["status"]) == (200, "closed")
    assert admin.post(f"/days/{yesterday}/close?from={DAY}").json == confirmed.json
    assert closed(house) == 4


def test_the_page_of_the_days_says_so_and_its_button_confirms_what_it_shows(house: House) -> None:
    at = NOON + 4 * ONE_DAY
    accountant, admin = house.browser(house.person("accountant", at=at)), house.browser(house.person("admin", at=at))
    question = f"/days/{FIFTH_DAY - ONE_DAY}/close"
    assert "Days are over and not closed:" in accountant.get("/days?lang=en").text
    assert question not in accountant.get("/days").text
    assert question in admin.get("/days").text
    asked = admin.get(f"{question}?lang=en").text
    assert "4 days will be closed, each with its own balances:" in asked
    assert f"{question}?from={DAY}" in asked
    refused = admin.post(question, follow_redirects=True)
    assert "4 days would be closed at once" in refused.text
    assert closed(house) == 0
    assert admin.post(f"{question}?from={DAY}").status_code == 303
    assert closed(house) == 4
    assert "Days are over" not in admin.get("/days?lang=en").text


def test_an_operator_confirms_many_days_by_naming_the_first(house: House) -> None:
    house.clock.set(NOON + 4 * ONE_DAY)

    def close_days(*words: str) -> subprocess.CompletedProcess[str]:
        return operator(house, "close-day", *words, "--json")

    refused = close_days()
    assert refused.returncode == 1
    assert "2026-11-21 – 2026-11-24" in refused.stderr
    done = close_days("--from", str(DAY))
    assert json.loads(done.stdout.splitlines()[-1])["closed_now"] == [str(DAY + n * ONE_DAY) for n in range(4)]
