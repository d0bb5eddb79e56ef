"""The database of a service: the engine, the transaction, and what tables have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import URL, Engine, MetaData, Row, Select, make_url
from sqlalchemy.orm import Session, sessionmaker

from chassis.pool import try_idle_connections
from chassis.settings import Settings
from chassis.upcasters import UPCASTERS
from messaging import SchemaRegistry, bind_outbox
from messaging.database import new_engine

#: Constraints have predictable names, so that migrations can name them.
_NAMING = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}


_ZONE = "ates.business_timezone"

#: For the web: nobody waits longer for a page. Above the timeout for locks, which says better what is the matter.
WEB_STATEMENT_TIMEOUT_S = 30


def utc_now() -> datetime:
    """Return the present moment, in UTC."""
    return datetime.now(UTC)


def new_metadata() -> MetaData:
    """Return an empty MetaData for a service's tables.

    `class Base(DeclarativeBase): metadata = new_metadata()` in models.py gives a base that mypy understands.
    """
    return MetaData(naming_convention=_NAMING)


def engine_url(url: str) -> URL:
    """Return the URL with the driver that is installed, unless it names one."""
    parsed = make_url(url)
    return parsed.set(drivername="postgresql+psycopg2") if parsed.drivername == "postgresql" else parsed


def business_timezone(session: Session) -> ZoneInfo:
    """Return the zone in which a business day starts and ends: for commands and handlers, which know no settings."""
    zone: ZoneInfo = session.info[_ZONE]
    return zone


class Database:
    """The engine of one service, with sessions whose `publish` goes to the service's outbox."""

    def __init__(
        self, settings: Settings, registry: SchemaRegistry | None = None, *, statement_timeout_s: int = 0
    ) -> None:
        """Prepare the engine; connects on first use. `registry`: default is the one in schemas_dir.

        `statement_timeout_s`: seconds that one statement may take, 0 for any time.
        """
        self.engine: Engine = new_engine(
            engine_url(settings.database_url),
            pool_size=10,
            pool_timeout=5,
            connect_args={
                "application_name": settings.service,
                "options": f"-c timezone=UTC -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
                f" -c statement_timeout={statement_timeout_s}s",
            },
        )
        try_idle_connections(self.engine)  # a restart of Postgres costs nobody an error
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.registry = registry or SchemaRegistry.load(settings.schemas_dir, upcasters=UPCASTERS)
        self.sessions = sessionmaker(self.engine, expire_on_commit=False, info={_ZONE: settings.business_timezone})
        bind_outbox(self.sessions, self.registry, self.engine, producer=settings.service)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Yield a session that is committed at the end of the block, or rolled back if it raises."""
        with self.sessions.begin() as session:
            yield session

    def one_row(self, statement: Select[*tuple[Any, ...]], **parameters: object) -> Row[*tuple[Any, ...]] | None:
        """Return the one row that the statement finds, None if there is none. Raises MultipleResultsFound.

        No transaction is begun and ended around it: two ways to the server and back less, for what each request asks.
        """
        with self._autocommit.connect() as connection:
            return connection.execute(statement, parameters).one_or_none()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session in a read-only transaction: Postgres refuses any write."""
        with self.sessions() as session:
            session.connection(execution_options={"postgresql_readonly": True})
            yield session
