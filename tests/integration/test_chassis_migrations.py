"""The migrations of every service make the very tables that its models describe."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, pool

from chassis.db import engine_url
from chassis.settings import DEFAULT_PORTS
from messaging.tables import metadata as messaging_metadata


@pytest.mark.parametrize("service", list(DEFAULT_PORTS))
def test_the_migrations_make_what_the_models_describe(service: str, migrated: Callable[..., Any]) -> None:
    models = importlib.import_module(f"{service}_service.models")
    engine = create_engine(engine_url(migrated(service).database_url), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"target_metadata": [models.Base.metadata, messaging_metadata]}
        )
        assert compare_metadata(context, [models.Base.metadata, messaging_metadata]) == []  # type: ignore[arg-type]
