"""`python -m analytics_service verify`."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import structlog
from click.testing import CliRunner
from sqlalchemy import text

from analytics_service.cli import verify
from chassis.db import Database

ACCOUNT = uuid4()


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """The command sends the logs of its process to stderr; here that is the process of all tests."""
    yield
    structlog.reset_defaults()


def test_news_that_come_while_it_waits_count(migrated: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = migrated("analytics")
    database = Database(settings)

    def execute(statement: str) -> None:
        with database.transaction() as session:
            session.execute(text(statement))

    def the_movement_comes(_seconds: float) -> None:
        execute(f"INSERT INTO account_days (account_id, day, balance_cents) VALUES ('{ACCOUNT}', '2026-11-21', 700)")

    values = f"('{ACCOUNT}', '{uuid4()}', 700, 1)"
    execute(f"INSERT INTO accounts (account_id, user_id, balance_cents, sequence) VALUES {values}")
    monkeypatch.setattr("analytics_service.cli.time.sleep", the_movement_comes)
    environment = {
        "ANALYTICS_DATABASE_URL": settings.database_url,
        "ANALYTICS_AMQP_URL": settings.amqp_url,
        "ANALYTICS_SECRET_KEY": settings.secret_key,
    }
    at_once = CliRunner().invoke(verify, [], env=environment)
    assert (at_once.exit_code, json.loads(at_once.stdout)["agrees"]) == (1, False)
    later = CliRunner().invoke(verify, ["--wait", "60"], env=environment)
    assert (later.exit_code, json.loads(later.stdout)) == (0, {"agrees": True, "differences": []})
    database.engine.dispose()
