"""Alembic's entry."""

from chassis.migrations_env import run_migrations
from tracker_service.models import Base

run_migrations(Base.metadata)
