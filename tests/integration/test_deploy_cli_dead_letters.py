"""`./ates dead-letters`, against the databases of two services."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from messaging import Event, held
from messaging.dead_letters import State, read_dead_letter
from messaging.envelope import CONTENT_TYPE
from messaging.errors import SchemaInvalid, UnknownType
from messaging.held import die
from messaging.received import Received
from messaging.transport import Delivery
from tests.integration.messaging_letters import as_sent
from tests.integration.operator_house import Operator, at_work


class Office:
    """An operator who is about dead letters only, and how messages come to die."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.databases = operator.databases
        self.run = partial(operator.run, "dead-letters")
        self.json = partial(operator.json, "dead-letters")

    def bury(self, service: str, event: Event, error: type = SchemaInvalid) -> UUID:
        delivery = Delivery(
            1,
            1,
            event.to_bytes(),
            CONTENT_TYPE,
            event.type,
            str(event.id),
            event.type,
            "",
            "",
            None,
            {},
            False,
            event.producer,
        )
        with self.databases[service].transaction() as session:
            letter_id = die(session, delivery, None, error("what is wrong"), attempts=1, line=None)
            assert letter_id is not None
            return letter_id

    def state(self, service: str, letter_id: UUID) -> State:
        with self.databases[service].reading() as session:
            return read_dead_letter(session, letter_id).letter.state


@pytest.fixture
def office(migrated: Callable[..., Any], tmp_path: Path) -> Iterator[Office]:
    with at_work(tmp_path, {service: migrated(service) for service in ("billing", "tracker")}) as operator:
        yield Office(operator)


def priced() -> Event:
    data = {"task_id": str(uuid4()), "fee_cents": "many", "reward_cents": 2500, "priced_at": "2026-11-21T05:00:00Z"}
    return Event.new("billing.task_priced.v1", subject="x", sequence=1, data=data)


def test_letters_of_all_services_are_listed_and_filtered(office: Office) -> None:
    mine, other = office.bury("tracker", priced()), office.bury("billing", priced(), UnknownType)
    listed = office.json("list")
    assert listed["total"] == 2
    assert {(item["service"], item["id"], item["reason"]) for item in listed["items"]} == {
        ("tracker", str(mine), "schema-invalid"),
        ("billing", str(other), "unknown-type"),
    }
    assert [item["id"] for item in office.json("list", "--reason", "unknown-type")["items"]] == [str(other)]
    assert [item["id"] for item in office.json("list", "--service", "tracker")["items"]] == [str(mine)]
    assert {(group["service"], group["count"]) for group in listed["groups"]} == {("tracker", 1), ("billing", 1)}
    for_people = office.run("list").output
    assert "what is wrong" in for_people
    assert str(mine) in for_people


def test_a_letter_is_shown_whole(office: Office) -> None:
    letter = office.bury("tracker", priced())
    shown = office.json("show", letter)
    assert (shown["service"], shown["letter"]["event"]["data"]["fee_cents"]) == ("tracker", "many")
    assert [entry["action"] for entry in shown["history"]] == ["died"]
    assert shown["properties"]["sent_by"] == "billing"
    words = office.run("show", letter).output
    assert '"fee_cents": "many"' in words
    assert "sent_by" in words


def test_decisions_are_written_down_with_who_took_them(office: Office) -> None:
    replayed, discarded = office.bury("tracker", priced()), office.bury("tracker", priced())
    assert office.json("replay", replayed)["requested"] == 1
    assert office.json("discard", discarded)["items"] == [{"service": "tracker", "id": str(discarded)}]
    assert office.state("tracker", replayed) == State.REPLAY_REQUESTED
    assert office.state("tracker", discarded) == State.DISCARDED
    entry = office.json("show", replayed)["history"][-1]
    assert (entry["action"], entry["actor_name"].endswith(" (./ates)")) == ("replay_requested", True)
    again = office.run("replay", replayed)
    assert again.exit_code == 1
    assert "the letter is not dead" in again.output


def test_a_selection_or_all_can_be_decided_about(office: Office) -> None:
    for _ in range(3):
        office.bury("tracker", priced())
    last = office.bury("billing", priced(), UnknownType)
    assert office.json("replay", "--reason", "schema-invalid")["requested"] == 3
    assert office.state("billing", last) == State.DEAD
    assert office.json("discard", "--all", "--service", "billing")["requested"] == 1
    for unclear in ((), ("--all", "--reason", "x"), (last, "--all")):
        assert office.run("replay", *unclear).exit_code == 2


def test_an_edited_event_is_sent_in_place_of_one_letter(office: Office, tmp_path: Path) -> None:
    letter, other = office.bury("tracker", priced()), office.bury("tracker", priced())
    file = tmp_path / "event.json"
    file.write_text('{"data": {"fee_cents": 1}}')
    refused = office.run("replay", letter, "--edited", file)
    assert (refused.exit_code, "would die again" in refused.output) == (1, True)
    data = {**office.json("show", letter)["letter"]["event"]["data"], "fee_cents": 1500}
    file.write_text(json.dumps({"data": data}))
    assert office.run("replay", letter, other, "--edited", file).exit_code == 2
    (answer,) = office.json("replay", letter, "--edited", file)["items"]
    assert json.loads(office.json("show", letter)["replacement"])["id"] == answer["event_id"]


def test_what_is_not_there_or_there_twice_is_said(office: Office) -> None:
    unknown = office.run("show", uuid4())
    assert (unknown.exit_code, "There is no dead letter" in unknown.output) == (1, True)
    event = priced()
    letter = office.bury("tracker", event)
    office.bury("billing", event)
    twice = office.run("discard", letter)
    assert (twice.exit_code, "--service" in twice.output) == (1, True)
    assert office.json("discard", letter, "--service", "billing")["requested"] == 1
    assert office.state("tracker", letter) == State.DEAD


def test_the_status_counts_the_open_letters_of_each_service(office: Office) -> None:
    office.bury("tracker", priced())
    office.bury("tracker", priced())
    status = office.operator.json("status", exit_code=1)  # the services do not answer
    assert {each["name"]: each["dead_letters"] for each in status["services"]} == {"billing": 0, "tracker": 2}


def test_what_waits_for_its_next_try_is_tried_at_once(office: Office) -> None:
    for service in ("tracker", "billing"):
        event = priced()
        with office.databases[service].transaction() as session:
            held.hold_until_due(session, Received(as_sent(event), event), timedelta(hours=1), attempts=2, error="no")
    (waiting, _) = office.json("list", "--state", "waiting")["items"]
    assert "next attempt" in office.run("show", waiting["id"]).output
    assert office.json("retry", "--service", "tracker")["requested"] == 1
    assert "Events that get their next attempt now: 2." in office.run("retry").output


def test_many_are_replayed_gradually_and_one_such_replay_at_a_time(office: Office) -> None:
    letters = [office.bury("tracker", priced()) for _ in range(2)]
    assert office.json("replay", "--all", "--gradually", "--service", "tracker")["requested"] == 2
    assert {office.state("tracker", letter) for letter in letters} == {State.DEAD}  # until the consumer takes a step
    again = office.run("replay", "--all", "--gradually", "--service", "tracker")
    assert again.exit_code == 1
    assert "a gradual replay is under way" in again.output
    assert office.run("replay", str(letters[0]), "--gradually").exit_code == 2


def test_what_one_service_begins_is_told_although_another_refuses(office: Office) -> None:
    for service in ("tracker", "billing"):
        office.bury(service, priced())
    office.json("replay", "--all", "--gradually", "--service", "billing")
    told = office.run("replay", "--all", "--gradually")
    assert told.exit_code == 1
    assert "Dead letters to be replayed: 1; in each service one at first." in told.output
    assert "billing: a gradual replay is under way" in told.output


def test_a_gradual_replay_is_watched_and_stopped(office: Office) -> None:
    assert "Nothing was ever replayed gradually." in office.run("gradual").output
    office.bury("tracker", priced())
    office.json("replay", "--all", "--gradually", "--service", "tracker")
    (running,) = office.json("gradual")["items"]
    assert (running["service"], running["state"], running["total"], running["taken"]) == ("tracker", "running", 1, 0)
    assert [one["state"] for one in office.json("gradual", "--stop")["items"]] == ["stopped"]
    told = office.run("gradual", "--service", "tracker").output
    assert "tracker: stopped, 0 of 1 (0 under way, 0 handled, 0 dead again, 0 behind)" in told


def test_letters_are_found_and_decided_about_by_a_field_of_their_events(office: Office) -> None:
    event = priced()
    letter, other = office.bury("tracker", event), office.bury("tracker", priced())
    field = f"data.task_id={event.data['task_id']}"
    assert [item["id"] for item in office.json("list", "--field", field)["items"]] == [str(letter)]
    assert office.json("discard", "--field", field)["requested"] == 1
    assert office.state("tracker", other) == State.DEAD
    assert office.run("list", "--field", "task_id").exit_code == 2
