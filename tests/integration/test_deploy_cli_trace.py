"""`./ates trace`: what a request has set off, asked in the databases of all services."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from deploy.run_file import Run, read_run, write_run
from deploy.settings import load_deployment
from messaging import Event, inbox, message_context, publish
from tests.integration.operator_house import Operator, at_work

CORRELATION_ID = uuid4()


@pytest.fixture
def operator(migrated: Callable[..., Any], tmp_path: Path) -> Iterator[Operator]:
    with at_work(tmp_path, {service: migrated(service) for service in ("auth", "billing")}) as operator:
        yield operator


@pytest.fixture
def event(operator: Operator) -> Event:
    """One that auth has made for a request, and billing has handled."""
    made = signed_out(CORRELATION_ID)
    tell(operator, made)
    with operator.databases["billing"].transaction() as session:
        inbox.remember(session, [made.id])
    return made


def signed_out(correlation_id: UUID, subject: str | None = None) -> Event:
    data = {"sign_in_id": subject or str(uuid4()), "user_id": str(uuid4()), "signed_out_at": "2026-11-21T05:00:00Z"}
    with message_context(correlation_id=correlation_id):
        return Event.new("auth.user_signed_out.v1", subject=data["sign_in_id"], sequence=1, data=data)


def tell(operator: Operator, event: Event) -> None:
    with operator.databases["auth"].transaction() as session:
        publish(session, event)


def test_a_request_is_found_by_its_own_id_by_an_event_and_by_what_that_is_about(
    operator: Operator, event: Event
) -> None:
    for what in (CORRELATION_ID, event.id, event.subject):
        told = operator.json("trace", what)
        assert [thread["correlation_id"] for thread in told["threads"]] == [str(CORRELATION_ID)]
        made, handled = told["items"]
        assert (made["service"], made["what"], made["state"], made["sets_off"]) == ("auth", "event", "pending", True)
        assert (handled["service"], handled["what"], handled["producer"]) == ("billing", "handled", "auth")
        assert handled["type"] == event.type
    shown = operator.run("trace", event.subject).output
    assert "request or job: auth.user_signed_out.v1 pending" in shown
    assert "billing    auth.user_signed_out.v1 handled" in shown


def test_several_requests_about_one_thing_are_listed_to_choose_from(operator: Operator, event: Event) -> None:
    other = uuid4()
    tell(operator, signed_out(other, event.subject))
    told = operator.json("trace", event.subject)
    assert [thread["correlation_id"] for thread in told["threads"]] == [str(other), str(CORRELATION_ID)]
    assert told["items"] == []
    assert str(other) in operator.run("trace", event.subject).output


def test_what_nobody_knows_is_said_and_a_database_that_is_away_is_named(operator: Operator, event: Event) -> None:
    assert operator.run("trace", uuid4()).exit_code == 1
    deployment = load_deployment({"ATES_STATE_DIR": str(operator.state_dir)})
    run = read_run(deployment)
    databases = {**run.databases, "billing": "postgresql://nobody@127.0.0.1:9/nothing"}
    write_run(operator.state_dir, Run(**{**run.__dict__, "databases": databases}))
    told = operator.json("trace", event.id)
    assert (told["silent"], len(told["items"])) == (["billing"], 1)
