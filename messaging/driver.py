"""Connections to Postgres by its driver alone, for who needs no SQLAlchemy: it is half of what a process weighs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import psycopg2

#: Of libpq (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS). A server that is gone
#: without a word is noticed within half a minute: by who waits for it, and by who has sent it something.
CONNECTION: Mapping[str, int] = MappingProxyType(
    {
        "connect_timeout": 5,
        "keepalives": 1,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    }
)


def connect(url: str, **options: Any) -> psycopg2.extensions.connection:
    """Return a connection of the driver that ends with its server. The options are those of libpq."""
    connection: psycopg2.extensions.connection = psycopg2.connect(url, **{**CONNECTION, **options})
    return connection
