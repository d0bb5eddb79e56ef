"""The page with the timeline of a request: what all services say of it, put together in the name of who looks."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from chassis import neighbours
from chassis.timeline.api import TRACE_PATH
from tests.integration.auth_house import House

TRACKER, BILLING = (f"http://127.0.0.1:{port}" for port in (8002, 8003))
#: Where people reach the tracker; other services go another way.
FOR_PEOPLE = "https://tasks.uberpopug.example"
CORRELATION_ID, TASK, EVENT, MOVEMENT = (str(uuid4()) for _ in range(4))
CREATED = {
    "at": "2026-11-28T12:00:00Z",
    "service": "tracker",
    "what": "event",
    "id": EVENT,
    "type": "tracker.task_created.v2",
    "state": "published",
    "took_ms": 70,
    "subject": TASK,
}
HANDLED = {"at": "2026-11-28T12:00:00.112Z", "service": "billing", "what": "handled", "id": EVENT, "took_ms": 22}
FEE = {
    "at": "2026-11-28T12:00:00.115Z",
    "service": "billing",
    "what": "ledger",
    "id": MOVEMENT,
    "state": "fee",
    "amount_cents": -1682,
}
THREAD = {"since": CREATED["at"], "type": CREATED["type"], "events": 1}


class Others:
    """The other services, as auth hears them. Billing knows an event by its id alone."""

    def __init__(self) -> None:
        self.away: set[str] = set()
        self.threads: dict[str, list[Any]] = {}
        self.left_out = 0
        self.tokens: list[str | None] = []

    def ask(self, url: str, token: str | None = None) -> Any:
        service, path = url[: len(TRACKER)], url[len(TRACKER) :]
        if not path.startswith(TRACE_PATH):
            return {"open": 0}
        self.tokens.append(token)
        if service in self.away:
            raise ConnectionError
        if path.startswith(f"{TRACE_PATH}?"):
            return {"items": self.threads.get(service, [])}
        known = {TRACKER: [CREATED], BILLING: [HANDLED, FEE] if EVENT in path else []}
        of_a_newer_version = [{**step, "mood": "good"} for step in known.get(service, [])]
        return {"items": of_a_newer_version, "left_out": self.left_out}


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Others:
    others = Others()
    monkeypatch.setattr(neighbours, "ask_service", others.ask)
    return others


@pytest.fixture
def house(migrated: Callable[..., Any], others: Others) -> Iterator[House]:
    house = House(migrated("auth", ATES_URL_TRACKER=FOR_PEOPLE, ATES_INTERNAL_URL_TRACKER=TRACKER))
    yield house
    house.close()


def timeline(house: House, path: str = f"/trace/{CORRELATION_ID}") -> str:
    answer = house.browser().get(path)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.text)


def test_only_administrators_see_it(house: House) -> None:
    house.person("rio")
    for path in ("/trace", f"/trace/{CORRELATION_ID}"):
        assert house.browser("rio").get(path).status_code == 403


def test_the_services_are_asked_twice_and_their_steps_stand_in_a_table_and_in_a_picture(
    house: House, others: Others
) -> None:
    page = timeline(house)
    assert all(others.tokens)
    table = page.split('id="steps"')[1].split("</table>")[0]
    rows = [" ".join(re.sub("<[^>]*>", " ", row).split()[4:]) for row in table.split("<tr>")[2:]]
    assert rows == [
        "+0 ms Tasks request or job tracker.task_created.v2 published 70 ms",
        "+112 ms Accounts tracker.task_created.v2 handled 42 ms 22 ms",
        "+115 ms Accounts fee −$16.82",
    ]
    picture = page.split("<svg")[1].split("</svg>")[0]
    assert re.findall(r'class="head"[^>]*>([^<]*)<', picture) == ["Outside", "Tasks", "Accounts"]
    rows = [" ".join(re.sub("<[^>]*>", " ", group).split()) for group in picture.split("<g ")[1:]]
    labels = [row.partition(" ms ")[2] for row in rows]
    assert labels == ["request or job", "task_created", "fee −$16.82"]
    assert f"{FOR_PEOPLE}/tasks/{TASK}" in table


def test_a_service_that_is_away_is_named_and_the_others_are_shown(house: House, others: Others) -> None:
    others.away = {BILLING}
    page = timeline(house)
    assert "No answer from: Accounts. What they know is missing here." in page
    assert "tracker.task_created.v2" in page


def test_how_much_is_not_shown_is_said(house: House, others: Others) -> None:
    others.left_out = 1700
    assert "5100 further events are not shown" in timeline(house)


def test_an_id_leads_to_its_one_timeline_or_to_a_choice(house: House, others: Others) -> None:
    others.threads = {service: [THREAD | {"correlation_id": CORRELATION_ID}] for service in (TRACKER, BILLING)}
    answer = house.browser().get(f"/trace?id={TASK}")
    assert (answer.status_code, answer.location) == (302, f"/trace/{CORRELATION_ID}")
    other = str(uuid4())
    others.threads[BILLING] = [THREAD | {"correlation_id": other}]
    page = timeline(house, f"/trace?id={TASK}")
    assert f'href="/trace/{CORRELATION_ID}"' in page
    assert f'href="/trace/{other}"' in page


def test_what_nobody_knows_is_said_to_be_unknown(house: House) -> None:
    assert "No event has to do with this id" in timeline(house, "/trace?id=2020-01-01")
    assert "Nothing has this correlation id" not in timeline(house)
