"""The servers as deploy starts them, and the rights that the services have there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pika
import psycopg2
import pytest
from pika.exceptions import ChannelClosedByBroker, ProbableAuthenticationError

from deploy.databases import ServiceDatabase, create_service_database
from deploy.programs import processes_working_in
from deploy.servers import PostgresServer, RabbitServer
from tests.conftest import PASSWORD, Vhost
from tests.waiting import eventually


@pytest.fixture(scope="module")
def tracker(database: Callable[..., ServiceDatabase]) -> ServiceDatabase:
    urls = database("tracker")
    _execute(urls.owner_url, "CREATE TABLE task (id bigserial PRIMARY KEY, title text)")
    return urls


def test_the_app_role_reads_and_writes_what_the_owner_made(tracker: ServiceDatabase) -> None:
    _execute(tracker.app_url, "INSERT INTO task (title) VALUES ('catch flies')")
    assert _execute(tracker.app_url, "SELECT title FROM task WHERE id = 1") == [("catch flies",)]
    _execute(tracker.app_url, "UPDATE task SET title = 'x'")
    _execute(tracker.app_url, "DELETE FROM task")


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE mine (id int)", "DROP TABLE task", "ALTER TABLE task ADD x int", "TRUNCATE task"]
)
def test_the_app_role_changes_no_table(tracker: ServiceDatabase, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        _execute(tracker.app_url, statement)


def test_a_service_does_not_get_into_the_database_of_another(
    tracker: ServiceDatabase, database: Callable[..., ServiceDatabase]
) -> None:
    billing = database("billing")
    stranger = billing.app_url.rpartition("/")[0] + "/" + tracker.app_url.rpartition("/")[2]
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        psycopg2.connect(stranger)


@pytest.mark.parametrize("database_name", ["postgres", "template1"])
@pytest.mark.parametrize("role", ["owner", "app"])
def test_no_role_of_a_service_gets_into_the_databases_of_the_server(
    tracker: ServiceDatabase, role: str, database_name: str
) -> None:
    url = {"owner": tracker.owner_url, "app": tracker.app_url}[role]
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        psycopg2.connect(f"{url.rpartition('/')[0]}/{database_name}")


def test_making_a_database_again_keeps_what_is_in_it(postgres: PostgresServer, tracker: ServiceDatabase) -> None:
    _execute(tracker.app_url, "INSERT INTO task (title) VALUES ('kept')")
    name = tracker.app_url.rpartition("/")[2]
    create_service_database(postgres.url, "tracker", database=name, owner_password=PASSWORD, app_password=PASSWORD)
    assert ("kept",) in _execute(tracker.app_url, "SELECT title FROM task")


def test_a_copy_of_a_database_has_its_tables_and_rights(
    tracker: ServiceDatabase, database: Callable[..., ServiceDatabase]
) -> None:
    copy = database("tracker", template=tracker.app_url.rpartition("/")[2])
    _execute(copy.owner_url, "CREATE TABLE later (id bigserial PRIMARY KEY)")
    _execute(copy.app_url, "INSERT INTO task (title) VALUES ('x'); INSERT INTO later DEFAULT VALUES")


def test_postgres_starts_again_after_it_was_killed_with_clients_connected(postgres: PostgresServer) -> None:
    client = psycopg2.connect(postgres.url)
    with client.cursor() as cursor:
        cursor.execute("SELECT current_setting('data_directory')")
        row = cursor.fetchone()
    assert row
    postgres.stop(grace=0)
    eventually(postgres.may_start)
    assert processes_working_in(Path(row[0])) == []
    postgres.start()
    with pytest.raises(psycopg2.OperationalError), client.cursor() as cursor:
        cursor.execute("SELECT 1")
    client.close()


@pytest.fixture
def channel(vhost: Vhost) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(vhost.url("tracker")))
    channel = connection.channel()
    channel.confirm_delivery()
    yield channel
    connection.close()


def test_guest_is_gone(rabbitmq: RabbitServer, vhost: Vhost) -> None:
    url = vhost.administrator_url.replace(f"ates:{PASSWORD}", "guest:guest")
    with pytest.raises(ProbableAuthenticationError):
        pika.BlockingConnection(pika.URLParameters(url))
    assert "/" not in {found["name"] for found in vhost.manage("GET", "vhosts").json()}


def test_an_event_of_an_unknown_type_is_kept_as_unrouted_and_is_a_dead_letter(
    channel: pika.channel.Channel, vhost: Vhost
) -> None:
    channel.basic_publish("ates.events", "tracker.nothing_like_it.v1", b"{}", mandatory=True)
    administrator = pika.BlockingConnection(pika.URLParameters(vhost.administrator_url))
    for queue in ("ates.unrouted", "analytics.dead"):
        method, _, body = administrator.channel().basic_get(queue, auto_ack=True)
        assert (method.routing_key, body) == ("tracker.nothing_like_it.v1", b"{}")
    administrator.close()


def test_an_event_that_is_known_and_read_by_nobody_is_not_among_the_unrouted(
    channel: pika.channel.Channel, vhost: Vhost
) -> None:
    channel.basic_publish("ates.events", "tracker.reassignment_finished.v1", b"{}", mandatory=True)
    administrator = pika.BlockingConnection(pika.URLParameters(vhost.administrator_url))
    found = {
        queue: administrator.channel().basic_get(queue, auto_ack=True)[2]
        for queue in ("ates.unread", "ates.unrouted", "analytics.dead")
    }
    administrator.close()
    assert found == {"ates.unread": b"{}", "ates.unrouted": None, "analytics.dead": None}


def test_a_service_cannot_publish_the_events_of_another(channel: pika.channel.Channel) -> None:
    with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        channel.basic_publish("ates.events", "billing.task_priced.v1", b"{}", mandatory=True)


def test_a_service_binds_its_own_queue_to_what_it_listens_to_and_no_other(channel: pika.channel.Channel) -> None:
    channel.queue_bind("tracker.events", "ates.events", "auth.user_registered.*")
    with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        channel.queue_bind("tracker.events", "ates.events", "auth.user_signed_in.*")


def test_a_service_declares_no_queue_of_another(channel: pika.channel.Channel) -> None:
    with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        channel.queue_declare("billing.events", durable=True)


def _execute(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
