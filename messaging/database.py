"""Connections to Postgres by SQLAlchemy, and what their errors say."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import psycopg2
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, scoped_session

from messaging.driver import CONNECTION

#: A session, or what stands for the one of the present thread or request: `db.session` of Flask-SQLAlchemy.
AnySession = Session | scoped_session[Any]

#: SQLSTATE classes and codes that say "the database is away", not "your statement is wrong".
_AWAY_CLASSES = ("08", "57P", "53")
#: The class of errors whose first line repeats the value that was wrong.
_DATA_EXCEPTION = "22"


def new_engine(url: str | URL, *, connect_args: Mapping[str, Any] = MappingProxyType({}), **options: Any) -> Engine:
    """Return an engine whose connections end with their server, and whose errors tell no values.

    The arguments are those of SQLAlchemy's `create_engine`. Errors go to logs, to dead letters and over the broker.
    """
    engine = create_engine(url, hide_parameters=True, connect_args={**CONNECTION, **connect_args}, **options)
    event.listen(engine, "handle_error", _leave_values_out)
    return engine


def session_of(session: AnySession) -> Session:
    """Return the session itself: what stands for it has only some of its methods."""
    return session() if isinstance(session, scoped_session) else session


def database_is_away(error: DBAPIError) -> bool:
    """Tell whether the same statement may succeed once the database is back."""
    code = getattr(error.orig, "pgcode", None)
    if code is None:
        return error.connection_invalidated or type(error.orig).__name__ in (
            "OperationalError",
            "InterfaceError",
        )
    return str(code).startswith(_AWAY_CLASSES)


def _leave_values_out(context: ExceptionContext) -> None:
    """Keep only the first line of what Postgres says: the others quote the row, or the statement with its values."""
    error, wrapped = context.original_exception, context.sqlalchemy_exception
    if not isinstance(error, psycopg2.Error) or error.diag.message_primary is None:
        return
    words = error.diag.message_primary
    if str(error.pgcode).startswith(_DATA_EXCEPTION):
        words = words.partition('"')[0].strip(" :")
    error.args = (words,)
    if wrapped is not None:
        wrapped.args = (f"({type(error).__module__}.{type(error).__name__}) {words}",)
