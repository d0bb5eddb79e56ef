"""Events that are not dead: they wait for their next attempt, or behind another. Administrators see and hurry them."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from chassis.settings import Settings
from messaging import Event, held
from messaging.dead_letters import State
from messaging.errors import SchemaInvalid
from messaging.held import Line, die
from messaging.received import Received
from messaging.tables import HeldMessage
from tests.integration.letters_house import LETTERS, PRICED, opened
from tests.integration.messaging_letters import as_sent
from tests.integration.tracker_house import House


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    with opened(migrated) as house:
        yield house


@pytest.fixture
def admin(house: House) -> UUID:
    return house.person("admin", "Ara")


def priced(sequence: int, subject: str) -> Event:
    data = {"task_id": subject, "fee_cents": 1500, "reward_cents": 2500, "priced_at": "2026-11-21T05:00:00Z"}
    return Event.new(PRICED, subject=subject, sequence=sequence, data=data)


def fail(house: House, event: Event) -> UUID:
    """Hold the event as a consumer does at whose handler it failed."""
    with house.database.transaction() as session:
        received = Received(as_sent(event), event)
        held.hold_until_due(session, received, timedelta(hours=1), attempts=3, error="RetryLater: not yet")
    return event.id


def block(house: House, event: Event) -> UUID:
    with house.database.transaction() as session:
        held.block(session, [Received(as_sent(event), event)])
    return event.id


def is_due(house: House, event_id: UUID) -> bool:
    with house.database.reading() as session:
        now = session.scalar(select(HeldMessage.due_at <= func.now()).where(HeldMessage.id == event_id))
        return bool(now)


def state(house: House, event_id: UUID) -> str | None:
    with house.database.reading() as session:
        return session.scalar(select(HeldMessage.state).where(HeldMessage.id == event_id))


def test_what_waits_is_counted_listed_and_told_of(house: House, admin: UUID) -> None:
    subject = str(uuid4())
    waiting, blocked = fail(house, priced(1, subject)), block(house, priced(2, subject))
    api, browser = house.api(admin), house.browser(admin)
    assert api.get(LETTERS).json["items"] == []
    assert [item["id"] for item in api.get(f"{LETTERS}?state=waiting").json["items"]] == [str(waiting)]
    assert [item["id"] for item in api.get(f"{LETTERS}?state=blocked").json["items"]] == [str(blocked)]
    story = api.get(f"{LETTERS}/{waiting}").json
    assert (story["attempts"], story["detail"], story["waiting_behind"]) == (3, "RetryLater: not yet", 1)
    assert story["due_at"] is not None
    assert api.get(f"{LETTERS}/{blocked}").json["behind"] == str(waiting)
    overview = browser.get("/messages?lang=en").text
    assert '<a href="/messages?state=held">2</a>' in overview
    page = browser.get(f"/messages/{waiting}").text
    assert "Its handling failed. The next attempt:" in page
    assert "1 later event of the same subject waits behind it." in page
    assert f'<a href="/messages/{waiting}"><code>{waiting}</code></a>' in browser.get(f"/messages/{blocked}").text


def test_one_is_tried_at_once_from_its_page(house: House, admin: UUID) -> None:
    event_id = fail(house, priced(1, str(uuid4())))
    browser = house.browser(admin)
    assert "Try it now" in browser.get(f"/messages/{event_id}?lang=en").text
    assert not is_due(house, event_id)
    browser.post(f"/messages/{event_id}/replay")
    assert is_due(house, event_id)
    assert state(house, event_id) == State.WAITING


def test_all_are_tried_at_once_by_page_and_by_rest(house: House, admin: UUID) -> None:
    api, browser = house.api(admin), house.browser(admin)
    first, second = fail(house, priced(1, str(uuid4()))), fail(house, priced(1, str(uuid4())))
    page = browser.get("/messages?state=waiting&lang=en").text
    assert "Try all of them now" in page
    assert "2 events get their next attempt now." in browser.post("/messages/retry", follow_redirects=True).text
    assert is_due(house, first)
    assert is_due(house, second)
    answer = api.post(f"{LETTERS}/retry", {})
    assert (answer.status_code, answer.json) == (202, {"requested": 2})


def test_only_administrators_may_hurry(house: House) -> None:
    event_id = fail(house, priced(1, str(uuid4())))
    manager = house.person("manager")
    assert house.api(manager).post(f"{LETTERS}/retry", {}).status_code == 403
    assert house.browser(manager).post("/messages/retry").status_code == 403
    assert not is_due(house, event_id)


def test_what_waits_behind_another_can_neither_be_hurried_nor_discarded(house: House, admin: UUID) -> None:
    subject = str(uuid4())
    fail(house, priced(1, subject))
    blocked = block(house, priced(2, subject))
    api = house.api(admin)
    for verb in ("replay", "discard"):
        assert api.post(f"{LETTERS}/{blocked}/{verb}").status_code == 409
    assert state(house, blocked) == State.BLOCKED


def test_a_retry_is_for_what_waits_and_leaves_dead_letters_to_those_who_decide_about_them(
    house: House, admin: UUID
) -> None:
    waiting, dead = fail(house, priced(1, str(uuid4()))), priced(1, str(uuid4()))
    with house.database.transaction() as session:
        die(session, as_sent(dead), None, SchemaInvalid("no"), attempts=1, line=None)
    api = house.api(admin)
    assert api.post(f"/messages/waiting/{waiting}/retry").status_code == 202
    assert is_due(house, waiting)
    refused = api.post(f"/messages/waiting/{dead.id}/retry")
    assert (refused.status_code, refused.json["detail"]) == (409, "This event does not wait for its next attempt.")
    assert state(house, dead.id) == State.DEAD
    assert api.post(f"/messages/waiting/{uuid4()}/retry").status_code == 404


def test_a_letter_behind_which_others_wait_says_so_and_what_lets_them_go(house: House, admin: UUID) -> None:
    subject = str(uuid4())
    dead = priced(1, subject)
    with house.database.transaction() as session:
        line = Line(dead.aggregate, dead.sequence, strict=True)
        die(session, as_sent(dead), None, SchemaInvalid("no"), attempts=1, line=line)
    blocked = block(house, priced(2, subject))
    page = house.browser(admin).get(f"/messages/{dead.id}?lang=en").text
    assert "When it is replayed or discarded, they go on in their order." in page
    assert house.api(admin).get(f"{LETTERS}/{dead.id}").json["waiting_behind"] == 1
    house.api(admin).post(f"{LETTERS}/{dead.id}/discard")
    assert state(house, blocked) == State.WAITING
