"""The console of operators: how all services fare, as they tell themselves, and what is done from there."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from chassis import neighbours
from chassis.overview import OVERVIEW_PATH
from tests.integration.auth_house import House

TRACKER, BILLING, ANALYTICS = (f"http://127.0.0.1:{port}" for port in (8002, 8003, 8004))
AT = "2026-11-28T09:30:00+00:00"


def says(**changes: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "outbox": {"pending": 0, "oldest_pending_seconds": None, "published_total": 9, "published_per_minute": 4},
        "consumer": {"ready": 12, "measured_at": AT, "working": True, "handled_per_minute": 5, "reads": []},
        "waiting": 0,
        "dead": {"open": 0, "undecided": 0, "groups": [], "further_groups": 0},
        "unknown_types": [],
        "further_unknown_types": 0,
        "gradual_replay": None,
        "needs_person": {},
        "jobs": [],
    }
    return usual | changes


def job(**changes: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {"name": "close_days", "words": "Closes the days", "every_seconds": 60.0}
    ran = {"last_started_at": AT, "last_finished_at": AT, "last_outcome": "done", "last_detail": "", "next_run_at": AT}
    return usual | ran | {"requested_at": None, "requested_by": None} | changes


class Others:
    """The other services, as auth hears them."""

    def __init__(self) -> None:
        self.says: dict[str, Any] = {TRACKER: says(), BILLING: says(jobs=[job()]), ANALYTICS: says()}
        self.told: list[str] = []
        self.answers = 202

    def ask(self, url: str, token: str | None = None) -> Any:
        service = url[: len(TRACKER)]
        if not url.endswith(OVERVIEW_PATH):
            return {"open": 0}
        assert token
        if self.says[service] == "away":
            raise ConnectionError
        return self.says[service]

    def tell(self, url: str, token: str) -> requests.Response:
        assert token
        self.told.append(url)
        if self.answers == 0:
            raise requests.ConnectionError
        answer = requests.Response()
        answer.status_code = self.answers
        return answer


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Others:
    others = Others()
    monkeypatch.setattr(neighbours, "ask_service", others.ask)
    monkeypatch.setattr(neighbours, "tell_service", others.tell)
    return others


@pytest.fixture
def house(migrated: Callable[..., Any], others: Others) -> Iterator[House]:
    house = House(migrated("auth"))
    yield house
    house.close()


def console(house: House) -> str:
    answer = house.browser("root").get("/operations?lang=en")
    assert answer.status_code == 200, answer.text
    return answer.text


def troubles(page: str) -> str:
    return page.split('id="troubles"')[1].split('id="services"')[0]


def test_one_page_shows_all_services_and_says_when_all_is_well(house: House) -> None:
    page = console(house)
    assert [f'id="service-{name}"' in page for name in ("auth", "tracker", "billing", "analytics")] == [True] * 4
    assert "All is well" in troubles(page)
    assert "Closes the days" in page
    assert "http://127.0.0.1:15672/#/queues/" in page
    assert "billing.dead" in page


def test_a_service_that_is_away_is_said_to_be_and_the_others_are_shown(house: House, others: Others) -> None:
    others.says[BILLING] = "away"
    page = console(house)
    assert "Accounts does not answer at the moment." in troubles(page)
    assert page.count('<span class="badge bad">does not answer</span>') == 1
    assert page.count('<span class="badge good">works</span>') == 2


def test_what_needs_somebody_stands_first(house: House, others: Others) -> None:
    group = {"type": "billing.task_priced.v1", "reason": "schema-invalid", "count": 398, "undecided": 398}
    group |= {"oldest_died_at": AT, "newest_died_at": AT, "note": {"text": "Ask Rio", "by": "Ara", "at": AT}}
    others.says[TRACKER] = says(
        outbox={"pending": 3, "oldest_pending_seconds": 61.0, "published_total": 9, "published_per_minute": 0},
        consumer={"ready": None, "measured_at": None, "working": False, "handled_per_minute": 0, "reads": []},
        dead={"open": 398, "undecided": 398, "groups": [group], "further_groups": 0},
        unknown_types=[{"type": "tracker.task_burnt.v1", "count": 1}],
    )
    others.says[BILLING] = says(
        jobs=[job(last_outcome="failed", last_detail="no seeds left")], needs_person={"letters": 2}
    )
    page = console(house)
    for text in (
        "Tasks: an event waits to be published for more than a minute",
        "Tasks: its consumer does not work",
        "Tasks: 398 dead letters",
        "Tasks: somebody publishes events that nobody knows: tracker.task_burnt.v1",
        "Accounts: a job failed: Closes the days",
        "Accounts: 2 letters were not delivered",
    ):
        assert text in troubles(page)
    assert f'href="{TRACKER}/messages?type=billing.task_priced.v1&amp;reason=schema-invalid"' in page
    assert "Ask Rio" in page
    assert "no seeds left" in page


def test_a_service_of_the_last_version_that_tells_less_is_shown_all_the_same(house: House, others: Others) -> None:
    others.says[TRACKER] = {name: value for name, value in says().items() if name != "needs_person"}
    assert "All is well" in troubles(console(house))


def test_dead_letters_that_somebody_has_decided_about_need_nobody_any_more(house: House, others: Others) -> None:
    others.says[TRACKER] = says(dead={"open": 398, "undecided": 0, "groups": [], "further_groups": 0})
    assert "All is well" in troubles(console(house))


def test_a_page_that_has_not_changed_is_not_sent_again(house: House) -> None:
    browser = house.browser("root")
    etag = browser.get("/operations").headers["ETag"]
    assert browser.get("/operations", headers={"If-None-Match": etag}).status_code == 304


def test_a_run_is_asked_for_at_the_service_of_the_job(house: House, others: Others) -> None:
    browser = house.browser("root")
    answer = browser.post("/operations/jobs/billing/close_days/run")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/operations#jobs")
    assert others.told == [f"{BILLING}/api/v1/messages/jobs/close_days/run"]
    others.answers = 404
    assert browser.post("/operations/jobs/billing/sing/run").status_code == 404
    others.answers = 0
    assert browser.post("/operations/jobs/billing/close_days/run").status_code == 503
    assert browser.post("/operations/jobs/elsewhere/close_days/run").status_code == 404
    house.app.config["WTF_CSRF_ENABLED"] = True
    assert browser.post("/operations/jobs/billing/close_days/run").status_code == 400
    assert len(others.told) == 3


@pytest.mark.parametrize("role", ["popug", "boss", "accountant", "manager"])
def test_nobody_else_operates(house: House, others: Others, role: str) -> None:
    house.person(role, role=role)
    browser = house.browser(role)
    assert [browser.get(path).status_code for path in ("/operations", "/operations/events")] == [403, 403]
    assert browser.post("/operations/jobs/billing/close_days/run").status_code == 403
    assert others.told == []
    assert "Operations" not in browser.get("/?lang=en").text


def test_who_publishes_and_who_reads_which_version_and_what_nobody_reads(house: House, others: Others) -> None:
    others.says[BILLING]["consumer"]["reads"] = [{"event": "tracker.task_created", "version": 2}]
    browser = house.browser("root")
    page = browser.get("/operations/events?lang=en").text
    rows = {row.split("</code>")[0]: row for row in page.split("<code>")}
    assert 'Accounts <span class="quiet">v2</span>' in rows["tracker.task_created"]
    assert "v1, v2" in rows["tracker.task_created"]
    assert '<span class="badge">nobody</span>' in rows["auth.user_signed_in"]
    assert "No events of unknown types." in page


def test_an_unknown_type_alarms_and_an_unread_one_does_not(house: House, others: Others) -> None:
    burnt = [{"type": "tracker.task_burnt.v1", "count": 5}]
    others.says[ANALYTICS] = says(unknown_types=burnt, further_unknown_types=7)
    page = house.browser("root").get("/operations/events?lang=en").text
    alarm = page.split('aria-labelledby="unknown"')[1].split("</section>")[0]
    assert "tracker.task_burnt.v1" in alarm
    assert "and 7 further types" in alarm
    assert "auth.user_signed_in" not in alarm
