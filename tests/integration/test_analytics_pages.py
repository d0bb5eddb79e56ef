"""The dashboard."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text

from chassis.settings import Settings
from tests.integration.analytics_house import Billing, House

MONDAY = date(2026, 11, 16)
MONDAY_EVENING = datetime(2026, 11, 16, 16, tzinfo=UTC)


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    house = House(migrated("analytics", ATES_URL_AUTH="http://127.0.0.1:1"), at=MONDAY_EVENING)
    yield house
    house.close()


def test_the_dashboard_shows_today_the_days_the_top_tasks_and_who_is_below_zero(house: House) -> None:
    billing = Billing()
    billing.name(5, "Fly <home>", "POPUG-5")
    billing.fee(1, MONDAY, 1500)
    billing.reward(2, MONDAY, 3999, task=5)
    house.deliver(*billing.events)
    page = house.browser().get("/").text
    assert "−$24.99" in page
    assert "Fly &lt;home&gt;" in page
    assert "POPUG-5" in page
    assert "−$15.00" in page
    assert '<svg viewBox="0 0 720 260" role="img" aria-labelledby="chart-title"' in page
    assert page.count("<rect") == 30
    assert "agree with billing's" in page


def test_an_empty_dashboard_is_no_accident(house: House) -> None:
    answer = house.browser().get("/")
    assert answer.status_code == 200
    assert "No completed tasks in these days" in answer.text


def test_a_disagreement_stands_on_the_dashboard(house: House) -> None:
    billing = Billing()
    billing.fee(1, MONDAY, 1500)
    billing.close(MONDAY)
    house.deliver(*billing.events)
    with house.database.transaction() as session:
        session.execute(text("UPDATE income_days SET income_cents = 1400"))
    page = house.browser().get("/").text
    assert "disagree" in page
    assert "$15.00" in page
    assert "$14.00" in page


def test_the_range_and_the_period_are_chosen_by_the_address(house: House) -> None:
    page = house.browser().get("/?from=2026-11-01&to=2026-11-07&period=week").text
    assert page.count("<rect") == 7
    assert 'value="2026-11-01"' in page


def test_a_range_that_cannot_be_shown_is_explained(house: House) -> None:
    for query in ("from=2026-11-20&to=2026-11-19", "from=nonsense"):
        answer = house.browser().get(f"/?{query}")
        assert answer.status_code == 422
        assert 'role="alert"' in answer.text


@pytest.mark.parametrize("role", ["popug", "boss", "accountant", "manager"])
def test_others_are_shown_the_way_to_what_is_theirs(house: House, role: str) -> None:
    answer = house.browser(role).get("/")
    assert answer.status_code == 403
    assert "These figures are for administrators" in answer.text
    assert "http://127.0.0.1:8003/" in answer.text


def test_who_is_not_signed_in_is_led_to_the_sign_in(house: House) -> None:
    assert house.app.test_client().get("/").location.startswith("/sign-in")
