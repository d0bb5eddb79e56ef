"""What a service offers to operators: an overview, jobs, large replays, trials, notes, a search."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from chassis.scheduled_jobs import Plan, remember_jobs
from chassis.settings import Settings
from messaging.dead_letters.gradual import advance_gradual_replay
from messaging.errors import UnknownType
from messaging.held import settle
from messaging.inbox import remember
from messaging.tables import InboxEvent, OutboxEvent
from messaging.throughput import remember_backlog
from messaging.transport import QueueState
from tests.integration.letters_house import LETTERS, PRICED, bury, opened, priced
from tests.integration.tracker_house import House
from tracker_service.models import Task

REASON = "schema-invalid"


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    with opened(migrated) as house:
        yield house


@pytest.fixture
def admin(house: House) -> UUID:
    return house.person("admin", "Ara")


def know_a_job(house: House) -> None:
    plan = Plan(name="sweep", words="Sweeps the perches", every_seconds=60, next_run_at=None)
    with house.database.transaction() as session:
        remember_jobs(session, [plan])


def overview(house: House, admin: UUID) -> dict[str, Any]:
    answer = house.api(admin).get("/messages/overview")
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def test_the_overview_tells_what_flows_what_waits_and_what_is_dead(house: House, admin: UUID) -> None:
    for _ in range(3):
        bury(house, priced().to_bytes())
    bury(house, b"{}", UnknownType("nobody listens"), type="tracker.task_burnt.v1")
    house.api(house.person()).create()
    know_a_job(house)
    with house.database.transaction() as session:
        remember_backlog(session, QueueState(ready=7, consumers=1))
        remember(session, [uuid4(), uuid4()])
        session.query(OutboxEvent).filter(OutboxEvent.type.like("tracker.task_assigned%")).update(
            {"published_at": func.now()}
        )
    told = overview(house, admin)
    assert told["outbox"]["published_per_minute"] == 1
    assert told["outbox"]["pending"] == len(house.published()) - 1
    consumer = told["consumer"]
    assert (consumer["ready"], consumer["working"], consumer["handled_per_minute"]) == (7, True, 2)
    assert {"event": "billing.task_priced", "version": 1} in consumer["reads"]
    assert (told["waiting"], told["dead"]["open"]) == (0, 4)
    assert [(group["type"], group["count"]) for group in told["dead"]["groups"]] == [
        (PRICED, 3),
        ("tracker.task_burnt.v1", 1),
    ]
    assert told["unknown_types"] == [{"type": "tracker.task_burnt.v1", "count": 1}]
    assert [(job["name"], job["words"]) for job in told["jobs"]] == [("sweep", "Sweeps the perches")]


def test_an_overview_stays_short_however_many_types_somebody_invents(house: House, admin: UUID) -> None:
    for n in range(25):
        bury(house, b"{}", UnknownType("nobody listens"), type=f"tracker.task_burnt_{n}.v1")
    told = overview(house, admin)
    assert (len(told["unknown_types"]), told["further_unknown_types"]) == (20, 5)


def test_a_consumer_that_nobody_hears_of_does_not_work(house: House, admin: UUID) -> None:
    assert overview(house, admin)["consumer"]["working"] is False
    with house.database.transaction() as session:
        remember_backlog(session, QueueState(ready=7, consumers=0))
    assert overview(house, admin)["consumer"]["working"] is False


@pytest.mark.parametrize("role", ["popug", "boss", "accountant", "manager"])
def test_only_administrators_operate(house: House, role: str) -> None:
    letter = bury(house, priced().to_bytes())
    know_a_job(house)
    person = house.person(role)
    api, browser = house.api(person), house.browser(person)
    for path in ("/messages/overview", "/messages/waiting", f"{LETTERS}/gradual-replay"):
        assert api.get(path).status_code == 403
    for path in ("/messages/jobs/sweep/run", f"{LETTERS}/gradual-replay", f"{LETTERS}/{letter}/trial"):
        assert api.post(path, {}).status_code == 403
    for path in (f"/messages/{letter}/trial", "/messages/replay-gradually", "/messages/note"):
        assert browser.post(path, data={"type": PRICED, "reason": REASON, "text": "x"}).status_code == 403


def test_forms_without_their_token_are_refused(house: House, admin: UUID) -> None:
    letter = bury(house, priced().to_bytes())
    browser = house.browser(admin)
    house.app.config["WTF_CSRF_ENABLED"] = True
    for path in (f"/messages/{letter}/trial", "/messages/replay-gradually", "/messages/note"):
        assert browser.post(path, data={"type": PRICED, "reason": REASON, "text": "x"}).status_code == 400


def test_a_run_is_asked_for_once(house: House, admin: UUID) -> None:
    know_a_job(house)
    api = house.api(admin)
    first, second = (api.post("/messages/jobs/sweep/run") for _ in range(2))
    assert (first.status_code, first.json["requested_by"]) == (202, "Ara")
    assert first.json["requested_at"] == second.json["requested_at"]
    for unknown in ("sing", "%00", "s%1Bing"):
        assert api.post(f"/messages/jobs/{unknown}/run").status_code == 404


def test_a_trial_tells_what_a_replay_would_do_and_does_nothing(house: House, admin: UUID) -> None:
    author = house.person()
    task = house.api(author).create()
    good = priced(task_id=task["id"], fee_cents=1234)
    letter = bury(house, good.to_bytes())
    bad = bury(house, priced(fee_cents="many").to_bytes())
    api = house.api(admin)

    def everything() -> tuple[Any, ...]:
        with house.database.reading() as session:
            counts = [session.scalar(select(func.count()).select_from(table)) for table in (OutboxEvent, InboxEvent)]
            return *counts, session.scalars(select(Task.fee_cents)).all(), api.get(f"{LETTERS}/{letter}").json

    before = everything()
    assert api.post(f"{LETTERS}/{letter}/trial").json["verdict"] == "handled"
    refused = api.post(f"{LETTERS}/{bad}/trial").json
    assert refused["verdict"] == "dead_again"
    assert "fee_cents" in refused["detail"]
    mended = api.post(f"{LETTERS}/{bad}/trial", {"data": good.data}).json
    assert mended["verdict"] == "handled"
    assert everything() == before
    with house.database.transaction() as session:
        remember(session, [good.id])
    assert api.post(f"{LETTERS}/{letter}/trial").json["verdict"] == "duplicate"
    assert api.post(f"{LETTERS}/{uuid4()}/trial").status_code == 404


def test_the_page_shows_what_an_edit_changes_before_it_is_sent(house: House, admin: UUID) -> None:
    event = priced(fee_cents="many")
    letter = bury(house, event.to_bytes())
    edited = event.to_bytes().replace(b'"many"', b"1500").decode()
    form = {"event": edited, "step": "compare"}
    page = house.browser(admin).post(f"/messages/{letter}/edit?lang=en", data=form).text
    assert re.search(r'class="removed">-\s+&#34;fee_cents&#34;: &#34;many&#34;,', page)
    assert re.search(r'class="added">\+\s+&#34;fee_cents&#34;: 1500,', page)
    assert "It would be handled." in page
    assert house.api(admin).get(f"{LETTERS}/{letter}").json["state"] == "dead"


def test_letters_are_found_by_a_field_of_their_events_among_bodies_of_any_kind(house: House, admin: UUID) -> None:
    event = priced(fee_cents=1717)
    wanted = bury(house, event.to_bytes())
    odd = bury(house, '{"data": {"title": "Кеша \\"1717\\""}}'.encode())
    for body in (b"\xff\x00 1717", b'{"a": "\\u0000 1717"}', b"[" * 20_000 + b"1717", b'"1717"', b'{"data": 1717}'):
        bury(house, body)
    bury(house, priced(fee_cents=17170).to_bytes())
    api = house.api(admin)

    def found(field: str) -> list[str]:
        answer = api.get(f"{LETTERS}?field={field}")
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json["items"]]

    assert found("data.fee_cents%3D1717") == [str(wanted)]
    assert found(f"data.task_id%3D{event.data['task_id']}") == [str(wanted)]
    assert found('data.title%3DКеша "1717"') == [str(odd)]
    assert found("data.fee_cents%3D9") == []
    assert found(f"{'.'.join('a' * 110)}%3D1717") == []
    assert api.get(f"{LETTERS}?field=1717").status_code == 422
    assert api.post(f"{LETTERS}/discard", {"field": "data.fee_cents=1717"}).json["requested"] == 1


def test_a_group_has_a_note_for_who_looks_next(house: House, admin: UUID) -> None:
    bury(house, priced().to_bytes())
    browser = house.browser(admin)
    fields = {"type": PRICED, "reason": REASON, "text": "Ask <b>Rio</b>"}
    page = browser.post("/messages/note?lang=en", data=fields, follow_redirects=True).text
    assert "Ask &lt;b&gt;Rio&lt;/b&gt;" in page
    (group,) = overview(house, admin)["dead"]["groups"]
    assert (group["note"]["text"], group["note"]["by"]) == ("Ask <b>Rio</b>", "Ara")
    assert (
        house.api(admin)
        ._client.put(f"/api/v1{LETTERS}/note", json=fields | {"text": " "}, headers=house.api(admin)._headers)
        .status_code
        == 204
    )
    assert overview(house, admin)["dead"]["groups"][0]["note"] is None


def test_the_page_replays_what_its_filter_shows_and_tells_how_far_it_is(house: House, admin: UUID) -> None:
    events = [priced() for _ in range(3)]
    for event in events:
        bury(house, event.to_bytes())
    bury(house, b"{}", UnknownType("nobody listens"), type="tracker.task_burnt.v1")
    browser = house.browser(admin)
    page = browser.get(f"/messages?lang=en&type={PRICED}").text
    assert "3 of them are undecided:" in page
    form = page.split('action="/messages/replay-gradually"')[1].split("</form>")[0]
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
    page = browser.post("/messages/replay-gradually", data=fields, follow_redirects=True).text
    assert "Ara replays gradually: 0 of 3 dead letters" in page
    for step in (events[:1], events[1:], []):
        with house.database.transaction() as session:
            advance_gradual_replay(session)
        with house.database.transaction() as session:
            remember(session, [event.id for event in step])
            settle(session, [event.id for event in step])
    page = browser.get("/messages").text
    assert "Ara replays gradually: 3 of 3 dead letters, <strong>3 handled</strong>" in page
    assert "It is over." in page
    again = browser.post("/messages/replay-gradually/stop", follow_redirects=True).text
    assert "It had ended before." in again
