"""The pages, as a browser without JavaScript sees them."""

from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from typing import Any
from uuid import UUID

import pytest

from tests.integration.billing_house import DAY, NOON, ONE_DAY, House, assigned, completed, created, someone


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing", ATES_URL_AUTH="http://127.0.0.1:1"))
    yield house
    house.dispose()


@pytest.fixture
def admin(house: House) -> UUID:
    return house.person("admin", "Ara")


def test_everyone_sees_their_balance_and_the_log_of_today_with_the_tasks_names(house: House) -> None:
    rio, task = house.person(at=NOON - ONE_DAY), someone()
    house.handle(created(task, title="Peel <b>bananas</b>"), assigned(task, rio), completed(task, rio))
    page = house.browser(rio).get("/?lang=en").text
    assert "Peel &lt;b&gt;bananas&lt;/b&gt;" in page
    assert "POPUG-1" in page
    assert "My account" in page
    assert f"?day={DAY - ONE_DAY}" in page
    assert "Everybody" not in page
    yesterday = house.browser(rio).get(f"/?day={DAY - ONE_DAY}&lang=en").text
    assert "No movements on this day" in yesterday
    assert house.browser(rio).get("/?day=nut").status_code == 422


def test_who_is_not_signed_in_is_led_to_the_sign_in(house: House) -> None:
    answer = house.app.test_client().get("/payouts")
    assert answer.status_code == 302
    assert answer.location.startswith("/sign-in")


def test_somebody_new_is_told_that_the_account_is_on_its_way(house: House) -> None:
    assert "You have no account yet" in house.browser(someone()).get("/?lang=en").text


@pytest.mark.parametrize("role", ["popug", "boss", "manager", "accountant", "admin"])
def test_only_accountants_and_administrators_see_the_money_of_others(house: House, role: str) -> None:
    browser, other = house.browser(house.person(role)), house.person()
    expected = 200 if role in ("accountant", "admin") else 403
    for path in ("/accounts", f"/accounts/{other}", "/income", "/days", f"/days/{DAY}", "/prices"):
        assert browser.get(path).status_code == expected, path
    for path in ("/", "/payouts"):
        assert browser.get(path).status_code == 200, path
    allowed = role == "admin"
    assert browser.get(f"/days/{DAY}/close").status_code == (200 if allowed else 403)
    assert browser.post("/prices", data={}).status_code == (422 if allowed else 403)
    assert browser.post(f"/accounts/{other}/corrections", data={}).status_code == (422 if allowed else 403)
    assert browser.post(f"/days/{DAY}/close").status_code == (303 if allowed else 403)


def test_a_form_without_its_token_changes_nothing(house: House, admin: UUID) -> None:
    browser = house.browser(admin)
    house.app.config["WTF_CSRF_ENABLED"] = True
    assert browser.post(f"/days/{DAY}/close").status_code == 400
    assert house.events("day_closed") == []


def test_income_is_shown_as_a_picture_and_as_a_table(house: House, admin: UUID) -> None:
    house.handle(assigned(someone(), house.person()))
    page = house.browser(admin).get("/income?lang=en").text
    assert '<svg viewBox="0 0 720 260" role="img"' in page
    assert page.count("<rect") == 31
    assert page.count('<tr class="total">') == 1
    assert house.browser(admin).get("/income?from=2026-01-01&to=2026-12-31").status_code == 422


def test_an_administrator_closes_the_day_after_a_second_thought(house: House, admin: UUID) -> None:
    house.post(house.person(), 1234)
    browser = house.browser(admin)
    assert f"/days/{DAY}/close" in browser.get("/days").text
    question = browser.get(f"/days/{DAY}/close?lang=en").text
    assert "$12.34" in question
    assert house.events("day_closed") == []
    closed = browser.post(f"/days/{DAY}/close", follow_redirects=True)
    assert "Closed: 21 Nov 2026." in closed.text
    assert "day closed" in closed.text
    assert browser.post(f"/days/{DAY}/close", follow_redirects=True).status_code == 200
    assert len(house.events("day_closed")) == 1
    assert browser.get(f"/days/{DAY}/close").location == f"/days/{DAY}"


def test_a_letter_is_read_by_its_owner_and_by_nobody_who_may_not(house: House, admin: UUID) -> None:
    rio, kea = house.person(), house.person(name="Kea")
    house.post(rio, 1234)
    house.close(DAY, at=NOON)
    ((payout_id,),) = house.rows("SELECT id FROM payouts")
    assert str(payout_id) in house.browser(rio).get("/payouts").text
    page = house.browser(rio).get(f"/payouts/{payout_id}").text
    assert "вам выплачено $12.34" in page
    assert "You were paid out $12.34" in page
    message = message_from_bytes(house.browser(rio).get(f"/payouts/{payout_id}.eml").data, policy=policy.default)
    assert message["To"] == "rio@uberpopug.example"
    assert house.browser(admin).get(f"/payouts/{payout_id}").status_code == 200
    assert str(payout_id) in house.browser(admin).get("/payouts?whose=all").text
    assert str(payout_id) not in house.browser(kea).get("/payouts?whose=all").text
    for path in (f"/payouts/{payout_id}", f"/payouts/{payout_id}.eml"):
        assert house.browser(kea).get(path).status_code == 403
    assert house.browser(admin).get(f"/payouts/{someone()}").status_code == 404


@pytest.mark.parametrize(("written", "cents"), [("12.5", 1250), ("−$3,07", -307), ("-12", -1200)])
def test_an_administrator_corrects_a_balance(house: House, admin: UUID, written: str, cents: int) -> None:
    rio = house.person()
    form = {"amount": written, "note": "A nut was missing", "key": "once"}
    for _ in range(2):
        assert house.browser(admin).post(f"/accounts/{rio}/corrections", data=form).status_code == 303
    assert house.balance(rio) == cents
    assert "A nut was missing" in house.browser(rio).get("/").text


@pytest.mark.parametrize("written", ["", "nut", "1.234", "1e3", "٣", "0"])
def test_what_is_no_amount_comes_back_with_the_form(house: House, admin: UUID, written: str) -> None:
    rio = house.person()
    answer = house.browser(admin).post(f"/accounts/{rio}/corrections", data={"amount": written, "note": "Why not"})
    assert answer.status_code == 422
    assert "Why not" in answer.text
    assert "amount_cents-error" in answer.text


def test_an_administrator_changes_the_rules_of_prices_in_dollars(house: House, admin: UUID) -> None:
    browser = house.browser(admin)
    form = {"fee_min_cents": "0.05", "fee_max_cents": "0.06", "reward_min_cents": "1", "reward_max_cents": "2"}
    assert browser.post("/prices", data=form).status_code == 303
    assert 'value="0.06"' in browser.get("/prices").text
    refused = browser.post("/prices", data=form | {"fee_min_cents": "7"})
    assert refused.status_code == 422
    assert "fee_max_cents-error" in refused.text
