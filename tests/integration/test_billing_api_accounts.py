"""Accounts, their logs and corrections by REST, as the public contract has it."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from chassis.input.amounts import MAX_CENTS
from tests.integration.billing_house import (
    DAY,
    NOON,
    ONE_DAY,
    Api,
    House,
    assigned,
    completed,
    created,
    someone,
    updated,
    user,
)


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    yield house
    house.dispose()


@pytest.fixture
def admin(house: House) -> Api:
    return house.api(house.person("admin", "Ara"))


def test_an_account_shows_the_balance_and_what_today_brought(house: House) -> None:
    rio, task = house.person(at=NOON - ONE_DAY), someone()
    house.handle(assigned(task, rio), at=NOON - ONE_DAY)
    house.handle(completed(task, rio))
    fee, reward = (row[0] for row in house.rows("SELECT fee_cents FROM tasks UNION ALL SELECT reward_cents FROM tasks"))
    answer = house.api(rio).get("/accounts/me")
    assert answer.status_code == 200
    assert answer.json == {
        "user_id": str(rio),
        "name": "Rio",
        "status": "open",
        "balance_cents": reward - fee,
        "today": {"fees_cents": 0, "rewards_cents": reward},
    }


def test_somebody_whom_billing_has_not_heard_of_has_no_account(house: House) -> None:
    answer = house.api(someone()).get("/accounts/me")
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


def test_the_log_of_a_day_names_the_cause_and_the_task_in_full(house: House) -> None:
    rio, task = house.person(), someone()
    assignment, completion = assigned(task, rio), completed(task, rio)
    house.handle(assignment, created(task))
    house.handle(completion, updated(task, sequence=9, title="Crack a nut"))
    house.handle(assigned(someone(), rio), at=NOON + ONE_DAY)
    reward, fee = house.api(rio).get(f"/accounts/me/entries?day={DAY}").json["items"]
    assert (fee["kind"], reward["kind"]) == ("fee", "reward")
    assert fee["cause_event_id"] == str(assignment.id)
    assert reward["cause_event_id"] == str(completion.id)
    assert fee["amount_cents"] == fee["balance_after_cents"] < 0
    assert reward["balance_after_cents"] == fee["amount_cents"] + reward["amount_cents"]
    assert reward["business_day"] == str(DAY)
    assert reward["task"] == {
        "id": str(task),
        "title": "Crack a nut",
        "jira_id": None,
        "description": "Crack a nut, quickly",
    }


def test_the_log_is_of_today_by_default_and_comes_page_by_page(house: House) -> None:
    rio = house.person(at=NOON - ONE_DAY)
    house.post(rio, 1, at=NOON - ONE_DAY)
    for cents in (2, 3, 4):
        house.post(rio, cents)
    first = house.api(rio).get("/accounts/me/entries?limit=2").json
    assert [item["amount_cents"] for item in first["items"]] == [4, 3]
    second = house.api(rio).get(f"/accounts/me/entries?limit=2&cursor={first['next_cursor']}").json
    assert [item["amount_cents"] for item in second["items"]] == [2]
    assert second["next_cursor"] is None


def test_a_task_that_nobody_has_described_yet_is_in_the_log_without_words(house: House) -> None:
    rio, task = house.person(), someone()
    house.handle(assigned(task, rio))
    (entry,) = house.api(rio).get("/accounts/me/entries").json["items"]
    assert entry["task"] == {"id": str(task), "title": None, "jira_id": None, "description": None}


def test_everybodys_accounts_are_listed_in_the_order_of_opening(house: House, admin: Api) -> None:
    for days, name in enumerate(("Budgie", "Cockatoo"), start=1):
        house.post(house.person(name=name, at=NOON + days * ONE_DAY), 700, at=NOON + days * ONE_DAY)
    stranger = someone()
    house.handle(assigned(someone(), stranger), at=NOON + 3 * ONE_DAY)  # an account whose owner is not known yet
    page = admin.get("/accounts?limit=2").json
    house.handle(user(stranger, name="Aaron"), at=NOON + 4 * ONE_DAY)
    rest = admin.get(f"/accounts?limit=2&cursor={page['next_cursor']}").json
    assert [item["name"] for item in page["items"] + rest["items"]] == ["Ara", "Budgie", "Cockatoo", "Aaron"]
    assert rest["items"][0]["balance_cents"] == 700


def test_a_log_that_is_read_on_a_day_later_is_still_that_of_its_day(house: House) -> None:
    rio = house.person()
    for cents in (2, 3, 4):
        house.post(rio, cents)
    first = house.api(rio).get("/accounts/me/entries?limit=2").json
    house.post(rio, 5, at=NOON + ONE_DAY)
    path = f"/accounts/me/entries?limit=2&cursor={first['next_cursor']}"
    assert [item["amount_cents"] for item in house.api(rio).get(path).json["items"]] == [2]
    assert [item["amount_cents"] for item in house.api(rio).get(f"{path}&day={DAY}").json["items"]] == [2]
    assert house.api(rio).get(f"{path}&day={DAY + ONE_DAY}").status_code == 422


@pytest.mark.parametrize("amount", [0, MAX_CENTS + 1, -MAX_CENTS - 1, 2**62, 2**63, 10**4000, 1.5, "700", True])
def test_a_correction_moves_something_and_no_more_than_a_million(house: House, admin: Api, amount: object) -> None:
    path = f"/accounts/{house.person()}/corrections"
    assert admin.post(path, {"amount_cents": amount, "note": "why"}).status_code == 422
    for cents in (MAX_CENTS, -MAX_CENTS):
        assert admin.post(path, {"amount_cents": cents, "note": "why"}).status_code == 201


@pytest.mark.parametrize("note", ["", " ", "\u200b", "a\0b", "x" * 501])
def test_a_correction_says_why_in_words_that_can_be_seen(house: House, admin: Api, note: str) -> None:
    person = house.person()
    refused = admin.post(f"/accounts/{person}/corrections", {"amount_cents": 1, "note": note})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["note"])
    form = {"amount": "1000000.01", "note": note}
    assert house.browser(house.person("admin")).post(f"/accounts/{person}/corrections", data=form).status_code == 422


def test_a_correction_is_a_movement_that_says_why(house: House, admin: Api) -> None:
    rio = house.person()
    answer = admin.post(f"/accounts/{rio}/corrections", {"amount_cents": -250, "note": " A nut was missing "})
    assert answer.status_code == 201
    (entry,) = house.api(rio).get("/accounts/me/entries").json["items"]
    assert entry["id"] == answer.json["id"]
    assert (entry["kind"], entry["amount_cents"], entry["note"]) == ("correction", -250, "A nut was missing")
    assert entry["task"] is None
    assert entry["cause_event_id"] is None
    assert admin.get("/income").json["items"][-1]["income_cents"] == 0
    assert house.problems() == []


def test_the_same_correction_with_the_same_key_is_posted_once(house: House, admin: Api) -> None:
    rio = house.person()
    body = {"amount_cents": 10, "note": "once"}
    first = admin.post(f"/accounts/{rio}/corrections", body, Idempotency_Key="k")
    again = admin.post(f"/accounts/{rio}/corrections", body, Idempotency_Key="k")
    assert first.json == again.json
    assert house.balance(rio) == 10
    other = admin.post(f"/accounts/{rio}/corrections", body | {"amount_cents": 11}, Idempotency_Key="k")
    assert other.status_code == 422
    assert house.balance(rio) == 10


@pytest.mark.parametrize("body", [{"amount_cents": 0, "note": "x"}, {"amount_cents": 5, "note": " "}, {"note": "x"}])
def test_a_correction_of_nothing_or_without_a_reason_is_refused(house: House, admin: Api, body: Any) -> None:
    assert admin.post(f"/accounts/{house.person()}/corrections", body).status_code == 422


def test_nobody_is_corrected_who_has_no_account(admin: Api) -> None:
    answer = admin.post(f"/accounts/{UUID(int=5)}/corrections", {"amount_cents": 5, "note": "x"})
    assert answer.status_code == 404
