"""What docker compose runs before the services, against real servers."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import requests
from click.testing import CliRunner

from deploy.compose import compose
from deploy.databases import drop_database
from deploy.ports import LOOPBACK
from deploy.servers import PostgresServer, RabbitServer
from deploy.settings import SERVICES
from tests.conftest import NO_BROKER, PASSWORD


@pytest.fixture
def variables(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("ATES_POSTGRES_URL", postgres.url)
    monkeypatch.setenv("ATES_RABBITMQ_URL", f"amqp://ates:{PASSWORD}@{LOOPBACK}/ates")
    monkeypatch.setenv("ATES_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("ATES_DEMO", "1")
    for service in SERVICES:
        prefix = service.upper()
        at = f"{PASSWORD}@{LOOPBACK}:{postgres.port}/compose_{service}"
        monkeypatch.setenv(f"{prefix}_OWNER_DATABASE_URL", f"postgresql://{service}_owner:{at}")
        monkeypatch.setenv(f"{prefix}_DATABASE_URL", f"postgresql://{service}_app:{at}")
        monkeypatch.setenv(f"{prefix}_AMQP_URL", NO_BROKER.replace("nothing", PASSWORD))
        monkeypatch.setenv(f"{prefix}_SECRET_KEY", "a key for the tests alone")
    yield monkeypatch
    for service in SERVICES:
        drop_database(postgres.url, f"compose_{service}")


def test_every_database_is_migrated_and_the_company_is_there_however_often_it_runs(
    variables: pytest.MonkeyPatch, postgres: PostgresServer, tmp_path: Path
) -> None:
    for _ in range(2):
        assert CliRunner().invoke(compose, ["databases"], catch_exceptions=False).exit_code == 0
    beaks = len(list((tmp_path / "beaks").glob("*.png")))
    assert beaks >= 8
    for service in SERVICES:
        url = f"postgresql://{service}_app:{PASSWORD}@{LOOPBACK}:{postgres.port}/compose_{service}"
        connection = psycopg2.connect(url)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM outbox WHERE published_at IS NULL")
            assert cursor.fetchone() == (beaks if service == "auth" else 0,)
        connection.close()


def test_a_node_takes_the_definitions_as_they_are(
    variables: pytest.MonkeyPatch, rabbitmq: RabbitServer, tmp_path: Path
) -> None:
    file = tmp_path / "definitions.json"
    assert CliRunner().invoke(compose, ["definitions", str(file)], catch_exceptions=False).exit_code == 0
    url = f"{rabbitmq.management_url}/api"
    try:
        answer = requests.post(
            f"{url}/definitions", json=json.loads(file.read_text()), auth=rabbitmq.credentials, timeout=60
        )
        assert answer.ok, answer.text
        queues = requests.get(f"{url}/queues/ates", auth=rabbitmq.credentials, timeout=60).json()
        assert {"ates.unrouted", "ates.unread", "billing.events", "analytics.dead"} <= {
            queue["name"] for queue in queues
        }
    finally:
        requests.delete(f"{url}/vhosts/ates", auth=rabbitmq.credentials, timeout=60)
