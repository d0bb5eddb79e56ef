"""What every service's migrations/env.py does: `run_migrations(Base.metadata)`."""

from alembic import context
from sqlalchemy import MetaData, pool, text

from chassis.migrate import URL
from chassis.scheduled_jobs import metadata as jobs_metadata
from messaging.database import new_engine
from messaging.tables import metadata as messaging_metadata

#: Any number: two who migrate the same database at once wait for each other.
_LOCK = 0x0A7E5


def run_migrations(metadata: MetaData) -> None:
    """Run each migration in a transaction. The metadata is the service's; the others come on top."""
    engine = new_engine(context.config.attributes[URL], poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=[metadata, messaging_metadata, jobs_metadata],
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
