"""The migrations of every service make the very tables that its models describe."""

import importlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, pool, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from chassis.db import Database, engine_url
from chassis.scheduled_jobs import metadata as jobs_metadata
from chassis.settings import DEFAULT_PORTS
from messaging import delete_published
from messaging.tables import metadata as messaging_metadata


@pytest.mark.parametrize("service", list(DEFAULT_PORTS))
def test_the_migrations_make_what_the_models_describe(service: str, migrated: Callable[..., Any]) -> None:
    models = importlib.import_module(f"{service}_service.models")
    engine = create_engine(engine_url(migrated(service).database_url), poolclass=pool.NullPool)
    with engine.connect() as connection:
        described = [models.Base.metadata, messaging_metadata, jobs_metadata]
        context = MigrationContext.configure(connection, opts={"target_metadata": described})
        assert compare_metadata(context, described) == []  # type: ignore[arg-type]


_EVENT = """
    INSERT INTO outbox (event_id, type, subject, sequence, correlation_id, body, created_at, published_at)
    VALUES (gen_random_uuid(), 'x.y.v1', 'x', 1, gen_random_uuid(), '', '2020-01-01', {published_at})
"""


@pytest.mark.parametrize("service", list(DEFAULT_PORTS))
def test_no_process_can_delete_an_event_before_it_is_published_or_change_one(
    service: str, migrated: Callable[..., Any]
) -> None:
    database = Database(migrated(service))
    with database.transaction() as session:
        for published_at in ("now()", "NULL"):
            session.execute(text(_EVENT.format(published_at=published_at)))
    with pytest.raises(IntegrityError, match="is pending"), database.transaction() as session:
        session.execute(text("DELETE FROM outbox"))
    for statement in ("UPDATE outbox SET body = ''", "UPDATE outbox SET type = 'x.z.v1'", "TRUNCATE outbox"):
        with pytest.raises(ProgrammingError, match="permission denied"), database.transaction() as session:
            session.execute(text(statement))
    with database.transaction() as session:
        assert delete_published(session, older_than=timedelta(days=1)) == 1
    with database.transaction() as session:
        session.execute(text("UPDATE outbox SET published_at = now()"))
        session.execute(text("DELETE FROM outbox"))
    database.engine.dispose()
