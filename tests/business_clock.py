"""The clock of a service's database, set by hand: also for processes, which know nothing of the tests' own clock."""

from datetime import datetime

from sqlalchemy import Engine, create_engine, text

from chassis.db import Database, engine_url
from chassis.settings import Settings

_SETTABLE = """
    CREATE TABLE business_clock (moment timestamptz NOT NULL);
    INSERT INTO business_clock VALUES (:moment);
    GRANT UPDATE, SELECT ON business_clock TO PUBLIC;
    CREATE OR REPLACE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql STABLE
        AS 'SELECT moment FROM business_clock';
"""


def owner_engine(settings: Settings) -> Engine:
    """Return the engine of the owner of the tables, who has every right to break things."""
    url = engine_url(settings.database_url)
    return create_engine(url.set(username=str(url.username).replace("_app", "_owner")))


class BusinessClock:
    """Stands still until it is set."""

    def __init__(self, settings: Settings, database: Database, moment: datetime) -> None:
        """Put it in the place of the database's own."""
        self._database = database
        engine = owner_engine(settings)
        with engine.begin() as connection:
            connection.execute(text(_SETTABLE), {"moment": moment})
        engine.dispose()

    def set(self, moment: datetime) -> None:
        """Let it be this moment from now on."""
        with self._database.engine.begin() as connection:
            connection.execute(text("UPDATE business_clock SET moment = :moment"), {"moment": moment})
