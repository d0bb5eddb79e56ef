"""The REST API, as the public contract has it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
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

ROLES = ("popug", "boss", "accountant", "manager", "admin")


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    yield house
    house.dispose()


@pytest.fixture
def admin(house: House) -> Api:
    return house.api(house.person("admin", "Ara"))


# Accounts and logs


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


@pytest.mark.parametrize(
    "path",
    [
        "/income?from=9999-12-31",
        "/income?to=0001-01-01",
        "/income?from=0001-01-01&to=9999-12-31",
        "/accounts/me/entries?day=0001-01-01",
        "/payouts?day=9999-12-31",
        "/payouts?day=2026-W47-6",
    ],
)
def test_a_day_that_no_company_has_is_refused(house: House, admin: Api, path: str) -> None:
    assert admin.get(path).status_code == 422
    page = path.replace("/accounts/me/entries", "/")
    assert house.browser(house.person("admin")).get(page).status_code == 422


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


# Rights

READS_OF_OTHERS = ["/accounts/{other}", "/accounts/{other}/entries", "/payouts?user_id={other}"]
READS_OF_ALL = ["/accounts", "/income", "/days", "/days/2026-11-21", "/days/2026-11-21/statements"]
OWN = ["/accounts/me", "/accounts/{me}", "/accounts/me/entries", "/accounts/{me}/entries", "/payouts"]


@pytest.mark.parametrize("role", ROLES)
def test_who_may_see_what(house: House, role: str) -> None:
    me, other = house.person(role), house.person()
    api = house.api(me)
    sees_all = role in ("accountant", "admin")
    for path in OWN:
        assert api.get(path.format(me=me)).status_code == 200, path
    for path in [*READS_OF_OTHERS, *READS_OF_ALL]:
        assert api.get(path.format(other=other)).status_code == (200 if sees_all else 403), path
    assert api.get(f"/prices?task_ids={someone()}").status_code == 200
    assert api.get("/pricing-rules").status_code == 200


@pytest.mark.parametrize("role", ROLES)
def test_only_administrators_change_anything(house: House, role: str) -> None:
    me, other = house.person(role), house.person()
    api = house.api(me)
    rules = {"fee_min_cents": 1, "fee_max_cents": 2, "reward_min_cents": 3, "reward_max_cents": 4}
    correction = {"amount_cents": 1, "note": "a gift"}
    allowed = role == "admin"
    assert api.put("/pricing-rules", rules).status_code == (200 if allowed else 403)
    assert api.post(f"/accounts/{other}/corrections", correction).status_code == (201 if allowed else 403)
    assert api.post(f"/days/{DAY}/close").status_code == (200 if allowed else 403)


def test_without_a_token_nobody_sees_anything(house: House) -> None:
    client = house.app.test_client()
    for path in ("/accounts/me", "/accounts", "/prices", "/pricing-rules", "/income", "/days", "/payouts"):
        assert client.get(f"/api/v1{path}").status_code == 401, path


def test_the_blocked_are_shut_out_with_a_token_that_has_not_expired(house: House) -> None:
    rio = house.person()
    api = house.api(rio)
    assert api.get("/accounts/me").status_code == 200
    house.handle(user(rio, sequence=2, status="blocked"))
    assert api.get("/accounts/me").status_code == 401


def test_payouts_of_others_are_not_among_ones_own(house: House, admin: Api) -> None:
    rio, kea = house.person(), house.person(name="Kea")
    house.post(rio, 100)
    house.post(kea, 200)
    house.close(DAY, at=NOON)
    (own,) = house.api(rio).get("/payouts").json["items"]
    assert (own["user_id"], own["amount_cents"], own["day"]) == (str(rio), 100, str(DAY))
    assert (own["status"], own["letter"]) == ("made", "pending")
    assert len(admin.get("/payouts").json["items"]) == 2
    assert [item["name"] for item in admin.get(f"/payouts?day={DAY}&user_id={kea}").json["items"]] == ["Kea"]
    assert admin.get(f"/payouts?day={DAY - ONE_DAY}").json["items"] == []


# Prices


def test_prices_of_tasks_are_told_to_anyone(house: House) -> None:
    rio, task = house.person(), someone()
    house.handle(created(task))
    answer = house.api(rio).get(f"/prices?task_ids={task},{someone()}").json
    (price,) = answer["items"]
    assert price["task_id"] == str(task)
    assert 1000 <= price["fee_cents"] <= 2000
    assert 2000 <= price["reward_cents"] <= 4000
    assert price["priced_at"].startswith("2026-11-21T09:00:00")


def test_prices_without_tasks_or_with_bad_ids_are_a_bad_request(house: House) -> None:
    api = house.api(house.person())
    assert api.get("/prices").status_code == 422
    assert api.get("/prices?task_ids=nut").status_code == 422


def test_an_administrator_changes_the_rules_for_tasks_yet_to_come(house: House, admin: Api) -> None:
    rules = {"fee_min_cents": 5, "fee_max_cents": 5, "reward_min_cents": 7, "reward_max_cents": 7}
    assert admin.put("/pricing-rules", rules).json == rules
    assert admin.get("/pricing-rules").json == rules
    task = someone()
    house.handle(created(task))
    (price,) = admin.get(f"/prices?task_ids={task}").json["items"]
    assert (price["fee_cents"], price["reward_cents"]) == (5, 7)


def test_rules_that_make_no_sense_are_refused_naming_the_field(admin: Api) -> None:
    rules = {"fee_min_cents": 9, "fee_max_cents": 5, "reward_min_cents": 7, "reward_max_cents": 7}
    answer = admin.put("/pricing-rules", rules)
    assert answer.status_code == 422
    assert list(answer.json["errors"]) == ["fee_max_cents"]
    assert admin.put("/pricing-rules", rules | {"fee_min_cents": 1.5}).status_code == 422
    assert admin.get("/pricing-rules").json["fee_min_cents"] == 1000


# Days


def test_income_has_every_day_of_the_period(house: House) -> None:
    rio, task = house.person(at=NOON - 2 * ONE_DAY), someone()
    admin = house.api(house.person("admin"))
    house.handle(assigned(task, rio), at=NOON - 2 * ONE_DAY)
    house.handle(completed(task, rio))
    items = admin.get(f"/income?from={DAY - 3 * ONE_DAY}&to={DAY}").json["items"]
    assert [item["day"] for item in items] == [str(DAY - n * ONE_DAY) for n in (3, 2, 1, 0)]
    assert [item["income_cents"] for item in items] == [0, items[1]["fees_cents"], 0, -items[3]["rewards_cents"]]
    month = admin.get("/income").json["items"]
    assert len(month) == 31
    assert month[-1]["day"] == str(DAY)
    assert len(admin.get(f"/income?from={DAY - 4 * ONE_DAY}").json["items"]) == 5


@pytest.mark.parametrize("period", ["from=2026-11-21&to=2026-11-20", "from=2026-10-21&to=2026-11-21", "from=nut"])
def test_a_period_that_is_none_or_too_long_is_refused(admin: Api, period: str) -> None:
    assert admin.get(f"/income?{period}").status_code == 422


def test_the_month_may_have_31_days(admin: Api) -> None:
    assert len(admin.get("/income?from=2026-10-22&to=2026-11-21").json["items"]) == 31


def test_closing_a_day_answers_its_report_and_the_same_when_repeated(house: House, admin: Api) -> None:
    rio = house.person(name="Rio")
    house.post(rio, 500)
    first = admin.post(f"/days/{DAY}/close")
    assert first.status_code == 200
    assert (first.json["day"], first.json["status"]) == (str(DAY), "closed")
    (line,) = [line for line in first.json["accounts"] if line["user_id"] == str(rio)]
    assert line == {
        "user_id": str(rio),
        "name": "Rio",
        "opening_cents": 0,
        "fees_cents": 0,
        "rewards_cents": 0,
        "corrections_cents": 500,
        "payout_cents": 500,
        "closing_cents": 0,
    }
    assert first.json["totals"]["payout_cents"] == 500
    again = admin.post(f"/days/{DAY}/close")
    assert (again.status_code, again.json) == (200, first.json)
    assert admin.get(f"/days/{DAY}").json == first.json


def test_the_lines_of_a_report_come_page_by_page_and_the_totals_are_those_of_all(
    house: House, admin: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing_service.api.LINES", 2)
    for name, cents in (("Cockatoo", 300), ("Budgie", -200)):
        house.post(house.person(name=name), cents)
    open_day = admin.get(f"/days/{DAY}").json
    assert (open_day["totals"]["corrections_cents"], open_day["totals"]["closing_cents"]) == (100, 100)
    house.close(DAY, at=NOON)
    house.handle(assigned(someone(), someone()), at=NOON + ONE_DAY)  # of no concern to the day before
    report = admin.get(f"/days/{DAY}").json
    assert len(report["accounts"]) == 2
    rest = admin.get(f"/days/{DAY}/statements?cursor={report['next_cursor']}").json
    assert len(rest["items"]) == 1
    assert rest["next_cursor"] is None
    every = admin.get(f"/days/{DAY}/statements").json["items"]
    assert every == report["accounts"] + rest["items"]
    assert {line["name"] for line in every} == {"Ara", "Budgie", "Cockatoo"}
    for amount, total in report["totals"].items():
        assert total == sum(line[amount] for line in every), amount
    assert admin.get(f"/days/{DAY - ONE_DAY}/statements").status_code == 404


def test_days_are_listed_the_latest_first(house: House, admin: Api) -> None:
    house.close(DAY, at=NOON)
    items = admin.get("/days").json["items"]
    assert [(item["day"], item["status"]) for item in items] == [
        (str(DAY + ONE_DAY), "open"),
        (str(DAY), "closed"),
    ]
    assert items[1]["closed_at"].startswith("2026-11-21T09:00:00")


def test_a_day_to_come_is_not_closed_and_a_day_unknown_is_not_found(admin: Api) -> None:
    tomorrow = DAY + ONE_DAY
    assert admin.post(f"/days/{tomorrow}/close").status_code == 422
    assert admin.post(f"/days/{DAY - timedelta(days=400)}/close").status_code == 404
    assert admin.get(f"/days/{tomorrow}").status_code == 404
    assert admin.get("/days/2026-02-30").status_code == 404


# Corrections


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
