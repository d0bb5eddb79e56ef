"""Connections to Postgres end with their server, and its errors tell no values."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from chassis.db import Database
from chassis.observe.state import probing_connection
from deploy.servers import PostgresServer
from messaging import Event
from messaging.outbox_reader import OutboxReader
from tests.integration.messaging_house import House
from tests.integration.messaging_letters import sold
from tests.waiting import eventually

SECRET = "rio@popug.example"


@pytest.fixture
def engine(house: House) -> Engine:
    with house.engine.begin() as connection:
        connection.execute(text("CREATE TABLE person (email text PRIMARY KEY, age int NOT NULL)"))
        connection.execute(text("INSERT INTO person VALUES (:email, 3)"), {"email": SECRET})
    return house.engine


def notices_a_server_that_is_gone(connection: Any) -> bool:
    with socket.socket(fileno=socket.dup(connection.fileno())) as watched:
        keeps_alive = watched.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle = watched.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        unanswered = watched.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    return (bool(keeps_alive), idle, unanswered) == (True, 10, 15_000)


def test_a_service_notices_a_postgres_that_is_gone_without_a_word(migrated: Callable[..., Any]) -> None:
    engine = Database(migrated("tracker")).engine
    with engine.connect() as connection:
        assert notices_a_server_that_is_gone(connection.connection.dbapi_connection)
    engine.dispose()


def test_a_probe_notices_a_postgres_that_is_gone_without_a_word(migrated: Callable[..., Any]) -> None:
    with probing_connection(migrated("tracker")) as connection:
        assert notices_a_server_that_is_gone(connection)


def test_a_relay_notices_a_postgres_that_is_gone_without_a_word(migrated: Callable[..., Any]) -> None:
    with OutboxReader(migrated("tracker").database_url) as pending:
        assert notices_a_server_that_is_gone(pending._connection)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("INSERT INTO person VALUES (:value, 1)", "duplicate key value violates unique constraint"),
        ("INSERT INTO person (email) VALUES (:value)", 'null value in column "age"'),
        ("SELECT nothing FROM person WHERE email = :value", 'column "nothing" does not exist'),
        ("SELECT CAST(:value AS uuid)", "invalid input syntax for type uuid"),
        ("SELECT CAST(:value AS date)", "invalid input syntax for type date"),
    ],
)
def test_an_error_says_what_is_wrong_and_not_with_which_value(engine: Engine, statement: str, said: str) -> None:
    with pytest.raises(DBAPIError) as caught, engine.connect() as connection:
        connection.execute(text(statement), {"value": SECRET})
    for words in (str(caught.value), repr(caught.value), str(caught.value.orig), repr(caught.value.orig)):
        assert SECRET not in words
    assert said in str(caught.value)


def test_the_log_of_the_server_tells_no_values(engine: Engine, postgres: PostgresServer) -> None:
    before = len(postgres.log.read_text())
    with pytest.raises(DBAPIError), engine.connect() as connection:
        connection.execute(text("INSERT INTO person VALUES (:value, 1)"), {"value": SECRET})
    eventually(lambda: "duplicate key value" in postgres.log.read_text()[before:])
    assert SECRET not in postgres.log.read_text()[before:]


def test_neither_a_retry_nor_a_dead_letter_tells_the_values_of_a_statement(house: House, engine: Engine) -> None:
    def insert(session: Session, _event: Event) -> None:
        session.execute(text("INSERT INTO person VALUES (:email, 1)"), {"email": SECRET})

    house.handler = insert
    house.consumer()
    house.send_raw(sold(3).to_bytes())
    (letter,) = eventually(house.dead_letters)
    assert "UniqueViolation" in letter.detail
    assert SECRET not in letter.detail
    receiver = house.broker.receiver(f"{house.service}.dead", prefetch=1)
    (dead,) = eventually(lambda: receiver.receive(1, 0.2))
    receiver.close()
    assert SECRET not in str(dead.headers)
