"""The first page: each person's numbers, as the other services tell them, and what needs somebody."""

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from auth_service.ui.home import SUMMARY_PATH
from chassis import neighbours
from tests.integration.auth_house import House

TRACKER, BILLING, ANALYTICS = (f"http://127.0.0.1:{port}" for port in (8002, 8003, 8004))
RUN = {"id": "0b7c", "status": "finished", "total": 3, "done": 3, "started_at": "2026-11-28T09:30:00+00:00"}
BOOKS = {"income_today_cents": 44332, "first_open_day": "2026-11-27", "days_to_close": 1, "letters_in_trouble": 2}


class Others:
    """The other services, as auth hears them."""

    def __init__(self) -> None:
        account = {"balance_cents": -3859, "today": {"fees_cents": 3859, "rewards_cents": 1250}}
        self.says: dict[str, Any] = {
            TRACKER: {"own_open_tasks": 3, "open_tasks": 30, "latest_reassignment": RUN},
            BILLING: {"account": account, "books": BOOKS},
        }
        self.dead = 0
        self.tokens: list[str] = []
        self.thaw = threading.Event()

    def ask(self, url: str, token: str | None = None) -> Any:
        service = url[: len(TRACKER)]
        if not url.endswith(SUMMARY_PATH):
            return {"open": self.dead if service == TRACKER else 0}
        assert token
        self.tokens.append(token)
        if self.says[service] == "away":
            raise ConnectionError
        if self.says[service] == "frozen":
            self.thaw.wait(30)
        return self.says[service]


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Iterator[Others]:
    others = Others()
    monkeypatch.setattr(neighbours, "ask_service", others.ask)
    yield others
    others.thaw.set()


@pytest.fixture
def house(migrated: Callable[..., Any], others: Others) -> Iterator[House]:
    house = House(migrated("auth"))
    yield house
    house.close()


def numbers(house: House, role: str) -> dict[str, tuple[str, str]]:
    """What the first page of somebody of this role says: name of the number, number, and where its link leads."""
    if role != "admin":
        house.person(role, role=role)
    text = house.browser("root" if role == "admin" else role).get("/").text
    found = re.findall(r'<dt>([^<]*)</dt><dd><a href="([^"]*)"[^>]*>([^<]*)</a>', text)
    return {name: (number, url) for name, url, number in found}


@pytest.mark.parametrize("role", ["popug", "boss"])
def test_a_worker_sees_what_there_is_to_do_and_what_it_brought(house: House, role: str) -> None:
    assert numbers(house, role) == {
        "Open tasks": ("3", f"{TRACKER}/"),
        "Balance": ("−$38.59", f"{BILLING}/"),
        "Earned today": ("$12.50", f"{BILLING}/"),
    }


def test_a_manager_sees_all_open_tasks_and_the_latest_reassignment(house: House) -> None:
    found = numbers(house, "manager")
    assert found["All open tasks"] == ("30", f"{TRACKER}/tasks?status=open")
    assert found["Latest reassignment"][1] == f"{TRACKER}/reassignments/0b7c"
    assert "12:30" in found["Latest reassignment"][0]
    assert "Income today" not in found


def test_an_accountant_sees_the_money_and_what_of_it_needs_a_person(house: House) -> None:
    found = numbers(house, "accountant")
    assert found["Income today"] == ("$443.32", f"{BILLING}/income")
    assert found["First open day"] == ("27 Nov 2026", f"{BILLING}/days/2026-11-27")
    assert found["Letters that need attention"] == ("2", f"{BILLING}/payouts?whose=all")
    assert found["Open tasks"] == ("3", f"{TRACKER}/")
    assert "Dead letters" not in found


def test_an_administrator_sees_everything(house: House, others: Others) -> None:
    others.dead = 2
    house.api().post(f"/users/{house.person('kesha')}/block")
    found = numbers(house, "admin")
    assert found["Dead letters"] == ("2", "http://127.0.0.1:8001/operations")
    assert found["Days over and not closed"] == ("1", f"{BILLING}/days")
    assert found["Blocked users"] == ("1", "/users?status=blocked")
    assert {"All open tasks", "Latest reassignment", "Balance", "Income today"} <= set(found)


def test_what_needs_somebody_stands_first(house: House, others: Others) -> None:
    others.dead = 2
    page = house.browser("root").get("/").text
    urgent = page.split('id="urgent"')[1].split("</section>")[0]
    assert re.findall(r">([^<>]+)</a>", urgent) == [
        "Days over and not closed: 1",
        "Letters that need attention: 2",
        "Dead letters: 2",
    ]
    others.dead, others.says[BILLING]["books"] = 0, {**BOOKS, "days_to_close": 0, "letters_in_trouble": 0}
    house.person("sofya", role="accountant")
    assert 'id="urgent"' not in house.browser("sofya").get("/").text


def test_a_service_that_is_away_is_said_to_be_and_the_others_have_their_numbers(house: House, others: Others) -> None:
    others.says[BILLING] = "away"
    house.person("kesha")
    page = house.browser("kesha").get("/").text
    assert page.count("This service does not answer at the moment") == 1
    assert "Open tasks" in page
    assert "Balance" not in page


def test_a_frozen_service_is_not_waited_for(house: House, others: Others, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_PATIENCE", 0.01)
    others.says[TRACKER] = "frozen"
    house.person("kesha")
    page = house.browser("kesha").get("/").text
    assert "This service does not answer at the moment" in page
    assert others.thaw.is_set() is False


def test_the_services_are_asked_in_the_name_of_the_person_who_looks(house: House, others: Others) -> None:
    kesha = house.person("kesha")
    browser = house.browser("kesha")
    browser.get("/")
    keys = KeySet.import_key_set(browser.get("/.well-known/jwks.json").get_json())
    claims = [jwt.decode(token, keys, algorithms=["ES256"]).claims for token in others.tokens]
    assert {claim["sub"] for claim in claims} == {str(kesha)}
    assert {claim["role"] for claim in claims} == {"popug"}


def test_nobody_sees_the_numbers_of_somebody_else(house: House, others: Others) -> None:
    house.person("kesha")
    house.browser("kesha").get("/")
    others.says[BILLING] = {"account": {"balance_cents": 1, "today": {"fees_cents": 0, "rewards_cents": 0}}}
    house.person("rio")
    assert "$0.01" in house.browser("rio").get("/").text
    assert "$0.01" not in house.browser("kesha").get("/").text


def test_who_has_no_account_yet_sees_the_rest(house: House, others: Others) -> None:
    others.says[BILLING] = {"account": None}
    assert set(numbers(house, "popug")) == {"Open tasks"}


def test_a_service_that_answers_in_words_of_its_own_breaks_no_page(house: House, others: Others) -> None:
    others.says[TRACKER] = {"hello": "world"}
    house.person("kesha")
    page = house.browser("kesha").get("/")
    assert page.status_code == 200
    assert "This service does not answer at the moment" in page.text
