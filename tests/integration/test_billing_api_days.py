"""Days, their reports and the income by REST."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.billing_house import (
    DAY,
    NOON,
    ONE_DAY,
    Api,
    House,
    assigned,
    completed,
    someone,
)


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    yield house
    house.dispose()


@pytest.fixture
def admin(house: House) -> Api:
    return house.api(house.person("admin", "Ara"))


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
