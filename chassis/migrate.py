"""Brings a service's database up to date, as the owner of its tables."""

import os
from pathlib import Path

from alembic import command
from alembic.config import Config

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


def alembic_config(url: str, migrations: Path) -> Config:
    """Return what alembic wants to know: the owner's URL and the folder with env.py and versions/."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes[URL] = engine_url(url)
    return config
