"""Alembic's entry."""

from auth_service.models import Base
from chassis.migrations_env import run_migrations

run_migrations(Base.metadata)
