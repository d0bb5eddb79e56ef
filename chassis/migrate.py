"""Brings a service's database up to date, as the owner of its tables."""

import os
from pathlib import Path
from types import ModuleType

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from chassis.db import engine_url
from chassis.settings import SettingsError

URL = "url"


def migrate(service: str, migrations: Path) -> None:
    """Run the migrations that the database lacks. Raises SettingsError if the owner's URL is not set."""
    variable = f"{service.upper()}_OWNER_DATABASE_URL"
    url = os.environ.get(variable)
    if not url:
        raise SettingsError(f"{variable} is not set: migrations need the role that owns the tables")
    command.upgrade(alembic_config(url, migrations), "head")


def app_role(op: ModuleType) -> str | None:
    """Return the role that the service's processes connect as: `<service>_app` where `<service>_owner` owns the tables.

    None where there is no such role, as in a database that belongs to one role alone.
    """
    wanted = "SELECT rolname FROM pg_roles WHERE rolname = regexp_replace(current_user, '_owner$', '_app')"
    found: str | None = op.get_bind().scalar(text(f"{wanted} AND rolname <> current_user"))
    return found


def add_sessions_v1(op: ModuleType) -> None:
    """Add to a replica of users what `chassis.people` has to know to let nobody in whose session has ended.

    A published version never changes.
    """
    op.add_column("users", sa.Column("valid_after", sa.DateTime(timezone=True)))
    op.execute("UPDATE users SET valid_after = now() WHERE status = 'blocked'")
    op.create_table(
        "ended_sessions",
        sa.Column("session_id", sa.Uuid(), primary_key=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ended_sessions_ended_at_idx", "ended_sessions", ["ended_at"])


def create_scheduled_jobs_v1(op: ModuleType) -> None:
    """Create what `chassis.scheduled_jobs` keeps of each job. A published version never changes."""
    op.create_table(
        "scheduled_job",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("every_seconds", sa.Float()),
        sa.Column("next_run_at", sa.DateTime(timezone=True)),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.Text()),
        sa.Column("detail", sa.Text(), nullable=False, server_default=""),
        sa.Column("requested_at", sa.DateTime(timezone=True)),
        sa.Column("requested_by", sa.Text()),
        sa.PrimaryKeyConstraint("name", name="scheduled_job_pkey"),
    )


def alembic_config(url: str, migrations: Path) -> Config:
    """Return what alembic wants to know: the owner's URL and the folder with env.py and versions/."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes[URL] = engine_url(url)
    return config
