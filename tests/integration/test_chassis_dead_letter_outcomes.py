"""After a replay the pages and REST tell what became of it."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest

from chassis.db import utc_now
from chassis.messages_ui import parts
from chassis.settings import Settings
from messaging import Event
from messaging.errors import SchemaInvalid
from messaging.held import settle
from messaging.inbox import remember
from tests.integration.letters_house import LETTERS, bury, opened, priced
from tests.integration.tracker_house import House


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    with opened(migrated) as house:
        yield house


@pytest.fixture
def admin(house: House) -> UUID:
    return house.person("admin", "Ara")


def handle(house: House, *event_ids: UUID) -> None:
    """As the consumer does with the events that are to be replayed."""
    with house.database.transaction() as session:
        remember(session, event_ids)
        settle(session, event_ids)


def die_again(house: House, *events: Event) -> None:
    for event in events:
        bury(house, event.to_bytes(), SchemaInvalid("still wrong"), row_id=event.id)


REFRESHES = ('hx-trigger="every 2s"', 'http-equiv="refresh"')


def test_after_a_replay_the_page_of_the_letter_tells_how_it_went(house: House, admin: UUID) -> None:
    event = priced()
    letter = bury(house, event.to_bytes())
    api, browser = house.api(admin), house.browser(admin)
    assert api.get(f"{LETTERS}/{letter}").json["outcome"] is None

    page = browser.post(f"/messages/{letter}/replay", follow_redirects=True).text
    assert "Under way." in page
    page = browser.get(f"/messages/{letter}").text
    assert "Under way." in page
    assert all(refresh in page for refresh in REFRESHES)
    assert api.get(f"{LETTERS}/{letter}").json["outcome"] == "under_way"

    die_again(house, event)
    page = browser.get(f"/messages/{letter}").text
    assert "Dead again: does not fit its schema</strong><br><bdi>still wrong" in page
    assert not any(refresh in page for refresh in REFRESHES)
    assert api.get(f"{LETTERS}/{letter}").json["outcome"] == "dead_again"

    browser.post(f"/messages/{letter}/replay")
    assert "Under way." in browser.get(f"/messages/{letter}").text
    handle(house, event.id)
    page = browser.get(f"/messages/{letter}").text
    assert "The replay had its effect." in page
    assert "Under way." not in page
    assert not any(refresh in page for refresh in REFRESHES)
    assert api.get(f"{LETTERS}/{letter}").json["outcome"] == "handled"


def test_the_outcome_of_an_edited_replay_is_that_of_the_event_that_was_sent(house: House, admin: UUID) -> None:
    api, browser = house.api(admin), house.browser(admin)
    letters = [bury(house, priced(fee_cents="many").to_bytes()) for _ in range(2)]
    sent = [api.post(f"{LETTERS}/{letter}/replay", {"data": priced().data}).json["event_id"] for letter in letters]
    replacements = [api.get(f"{LETTERS}/{letter}").json["replacement"] for letter in letters]
    handle(house, UUID(sent[0]))
    die_again(house, Event.from_bytes(replacements[1].encode()))
    assert "The replay had its effect." in browser.get(f"/messages/{letters[0]}").text
    page = browser.get(f"/messages/{letters[1]}").text
    assert f'<a href="/messages/{sent[1]}">The event that was sent in its place died as well.' in page
    assert "1 handled" in browser.get("/messages").text
    assert "1 dead again" in browser.get("/messages").text


def test_after_a_group_was_replayed_the_page_tells_how_many_were_handled_and_how_many_died_again(
    house: House, admin: UUID
) -> None:
    events = [priced() for _ in range(40)]
    for event in events:
        bury(house, event.to_bytes())
    browser = house.browser(admin)
    page = browser.post("/messages/replay", follow_redirects=True).text
    assert re.search(r"Ara replayed 40 dead letters:\s*<strong>40 under way</strong>", page)
    handle(house, *(event.id for event in events[:30]))
    page = browser.get("/messages").text
    assert "<strong>30 handled, 10 under way</strong>" in page
    assert all(refresh in page for refresh in REFRESHES)
    handle(house, *(event.id for event in events[:38]))
    die_again(house, *events[38:])
    page = browser.get("/messages").text
    assert page.count("38 handled, 2 dead again") == 2  # above the list, and among the decisions
    assert not any(refresh in page for refresh in REFRESHES)


def test_a_page_does_not_refresh_itself_for_ever(house: House, admin: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = bury(house, priced().to_bytes())
    browser = house.browser(admin)
    browser.post("/messages/replay")
    monkeypatch.setattr(parts, "utc_now", lambda: utc_now() + timedelta(minutes=3))
    for path in ("/messages", f"/messages/{letter}"):
        page = browser.get(path).text
        assert not any(refresh in page for refresh in REFRESHES)
        assert ">Refresh</a>" in page
