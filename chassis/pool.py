"""Which pooled connections are tried before they are handed out.

SQLAlchemy's `pool_pre_ping` tries each of them each time: two ways to the server for the two small transactions of a
request. One that somebody used a moment ago is there, or else everybody who uses one just now gets an error, too.
"""

import time
from typing import Any

import psycopg2
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

#: Seconds without use after which a connection is tried: less than any restart of Postgres takes.
TRIED_AFTER = 0.02

_USED_AT = "used_at"


def try_idle_connections(engine: Engine) -> None:
    """Have a connection that was not used for a moment tried, and replaced with all others if its server is gone."""

    def note_use(_connection: Any, record: Any) -> None:
        record.info[_USED_AT] = time.monotonic()

    def try_it(connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info[_USED_AT] < TRIED_AFTER:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg2.Error as error:
            raise InvalidatePoolError from error

    event.listen(engine, "connect", note_use)
    event.listen(engine, "checkin", note_use)
    event.listen(engine, "checkout", try_it)
