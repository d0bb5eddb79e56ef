"""What a service's own database knows of a request, by REST, for administrators."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from chassis.settings import Settings
from messaging import inbox, message_context
from messaging.errors import SchemaInvalid
from tests.integration.billing_house import House as Billing
from tests.integration.billing_house import assigned
from tests.integration.letters_house import bury, opened, priced
from tests.integration.tracker_house import House


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    with opened(migrated) as house:
        house.person("popug")
        yield house


@pytest.fixture
def admin(house: House) -> UUID:
    return house.person("admin", "Ara")


def of_kind(answer: Any, what: str) -> list[dict[str, Any]]:
    return [item for item in answer.json["items"] if item["what"] == what]


def test_only_administrators_ask(house: House) -> None:
    for role in ("popug", "boss", "accountant", "manager"):
        api = house.api(house.person(role))
        assert api.get(f"/trace/{uuid4()}").status_code == 403, role
        assert api.get(f"/trace?id={uuid4()}").status_code == 403, role


def test_a_request_is_known_by_its_id_with_what_it_made_and_whether_that_is_published(
    house: House, admin: UUID
) -> None:
    asked = house.api(admin).post("/tasks", {"title": "Crack a nut"})
    answer = house.api(admin).get(f"/trace/{asked.headers['X-Request-ID']}")
    assert [item["type"] for item in of_kind(answer, "event")] == [
        "tracker.task_created.v2",
        "tracker.task_assigned.v1",
    ]
    for item in answer.json["items"]:
        assert (item["service"], item["state"], item["took_ms"], item["cause_id"]) == ("tracker", "pending", None, None)
        assert item["subject"] == asked.json["id"]


def test_a_task_and_an_event_lead_to_the_requests_that_changed_it(house: House, admin: UUID) -> None:
    api = house.api(admin)
    created = api.post("/tasks", {"title": "Crack a nut"})
    changed = api.patch(f"/tasks/{created.json['id']}", {"description": "A hard one"})
    threads = [each.headers["X-Request-ID"] for each in (changed, created)]
    found = api.get(f"/trace?id={created.json['id']}").json["items"]
    assert [(thread["correlation_id"], thread["events"]) for thread in found] == [(threads[0], 1), (threads[1], 2)]
    event = house.published("task_updated")[-1]
    for known in (event.id, threads[0]):
        assert [each["correlation_id"] for each in api.get(f"/trace?id={known}").json["items"]] == [threads[0]]
    assert api.get("/trace?id=2020-01-01").json["items"] == []
    assert api.get("/trace").status_code == 422


def test_whoever_names_an_event_learns_when_it_was_handled_and_how_long_its_transaction_took(
    house: House, admin: UUID
) -> None:
    handled, unknown = uuid4(), uuid4()
    with house.database.transaction() as session:
        inbox.remember(session, [handled])
    answer = house.api(admin).get(f"/trace/{uuid4()}?event_ids={handled},{unknown}")
    [item] = answer.json["items"]
    assert (item["what"], item["id"], item["type"]) == ("handled", str(handled), None)
    assert item["took_ms"] >= 0


def test_a_dead_letter_belongs_to_the_request_of_its_event(house: House, admin: UUID) -> None:
    event = priced(fee_cents="many")
    letter = bury(house, event.to_bytes(), SchemaInvalid("data.fee_cents: 'many' is not of type 'integer'"))
    story = house.api(admin).get(f"/messages/dead-letters/{letter}").json
    correlation_id = story["properties"]["correlation_id"]
    [item] = house.api(admin).get(f"/trace/{correlation_id}").json["items"]
    assert (item["what"], item["id"], item["state"], item["detail"]) == ("held", str(letter), "dead", "schema-invalid")
    for known in (correlation_id, letter):
        [thread] = house.api(admin).get(f"/trace?id={known}").json["items"]
        assert (thread["correlation_id"], thread["events"]) == (correlation_id, 0)
    page = house.browser(admin).get(f"/messages/{letter}").text
    assert f"/trace?id={correlation_id}" in page


def test_no_more_is_told_than_was_asked_for_and_how_much_is_left_out(house: House, admin: UUID) -> None:
    api = house.api(admin)
    for _ in range(5):
        api.post("/tasks", {"title": "Crack a nut"})
    asked = api.post("/reassignments").headers["X-Request-ID"]
    request = house.published("reassignment_requested")[-1]
    house.deliver(request)
    answer = api.get(f"/trace/{asked}?limit=2").json
    assert len([item for item in answer["items"] if item["what"] == "event"]) == 2
    assert answer["left_out"] == 5
    assert api.get(f"/trace/{asked}?limit=101").status_code == 422


def test_billing_tells_of_the_movements_and_the_letters_that_followed(migrated: Callable[..., Any]) -> None:
    house = Billing(migrated("billing"))
    popug, admin = house.person(), house.person("admin")
    correlation_id = uuid4()
    with message_context(correlation_id=correlation_id):
        charged = assigned(uuid4(), popug)
    house.handle(charged)
    answer = house.api(admin).get(f"/trace/{correlation_id}")
    [fee] = of_kind(answer, "ledger")
    # The clock of the business stands in another month here: a timeline goes by that of the host, as events do.
    assert fee["at"] == next(item["at"] for item in of_kind(answer, "event") if "transaction_posted" in item["type"])
    assert (fee["state"], fee["cause_id"], fee["amount_cents"] < 0) == ("fee", str(charged.id), True)
    posted = [event["at"] for event in of_kind(answer, "event") if "transaction_posted" in event["type"]]
    assert posted == [fee["at"]]  # real time, whatever the business clock of the house shows
    [entry] = house.api(popug).get("/accounts/me/entries").json["items"]
    assert (entry["id"], entry["correlation_id"]) == (fee["id"], str(correlation_id))

    house.post(popug, 100_000)
    closed = house.api(admin).post("/days/2026-11-21/close")
    answer = house.api(admin).get(f"/trace/{closed.headers['X-Request-ID']}")
    [payout], [letter] = of_kind(answer, "ledger"), of_kind(answer, "letter")
    assert (payout["state"], letter["state"], letter["took_ms"]) == ("payout", "pending", None)
    assert payout["amount_cents"] == -letter["amount_cents"] < 0

    with house.database.transaction() as session:  # the clock of a demonstration went on by hours meanwhile
        session.execute(text("UPDATE clock_offset SET seconds = 90000"))
        session.execute(text("UPDATE payouts SET letter = 'sent', sent_at = made_at + interval '6 hours'"))
    [sent] = of_kind(house.api(admin).get(f"/trace/{closed.headers['X-Request-ID']}"), "letter")
    assert (sent["state"], sent["took_ms"], sent["at"]) == ("sent", None, letter["at"])
    house.dispose()
