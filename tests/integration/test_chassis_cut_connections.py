"""A connection to the database that is cut in the midst of a request is told to the client as such, and is no fault."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError, ProgrammingError

from chassis import pool
from chassis.database_errors import refusal_of_database
from chassis.errors import Unavailable
from chassis.settings import Settings
from tests.integration.tracker_house import House


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    house = House(migrated("tracker"))
    yield house
    house.database.engine.dispose()


@pytest.mark.parametrize("transaction", [1, 2], ids=["who makes the request", "the request itself"])
def test_a_request_whose_connection_was_cut_is_answered_with_503_and_the_next_one_as_ever(
    house: House, monkeypatch: pytest.MonkeyPatch, transaction: int
) -> None:
    api = house.api(house.person())
    monkeypatch.setattr(pool, "TRIED_AFTER", 0)
    tries = 0

    def is_cut_once(connection: Any) -> None:
        nonlocal tries
        tries += 1
        if tries == transaction:
            connection.close()

    monkeypatch.setattr(house.database.engine.dialect, "do_ping", is_cut_once)
    answer = api.get("/tasks?assignee=me")
    assert (answer.status_code, answer.json["type"]) == (503, "urn:ates:problem:unavailable")
    assert api.get("/tasks?assignee=me").status_code == 200


@pytest.mark.parametrize(
    "error",
    [
        psycopg2.OperationalError("server closed the connection unexpectedly"),
        psycopg2.InterfaceError("connection already closed"),
        OperationalError("SELECT 1", {}, psycopg2.OperationalError("timeout expired")),
        InterfaceError("SELECT 1", {}, psycopg2.InterfaceError("cursor already closed")),
        DatabaseError("SELECT 1", {}, psycopg2.DatabaseError("no message from the libpq"), connection_invalidated=True),
    ],
)
def test_whatever_a_lost_connection_is_called_the_database_does_not_answer(error: Exception) -> None:
    assert type(refusal_of_database(error)) is Unavailable


def test_a_statement_that_is_wrong_is_a_fault_of_ours() -> None:
    assert refusal_of_database(ProgrammingError("SELEKT 1", {}, psycopg2.ProgrammingError("syntax error"))) is None
