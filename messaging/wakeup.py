"""Tells the relay, after a commit, that there is something to publish."""

import logging
import os
import threading
from typing import Any

import psycopg2
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from messaging.outbox_reader import CHANNEL

# One transaction. A notification takes an id of one, so it would wait for the disk, and nobody looks for it there. Not
# for the whole session: behind a pooler of transactions that is somebody else's a moment later.
_NOTIFY = f"SET LOCAL synchronous_commit = off; NOTIFY {CHANNEL}"

_log = logging.getLogger(__name__)


class Waker:
    """One background thread and connection that turn any number of commits into as few NOTIFY as are needed.

    A lost notification delays and loses nothing: the relay looks by itself every second.
    """

    def __init__(self, engine: Engine) -> None:
        """Take the engine whose database is to be notified. Nothing is opened before the first `wake`."""
        self._engine = engine
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process = 0

    def wake(self) -> None:
        """Ask for a NOTIFY soon; never waits."""
        self._wanted.set()
        if self._process != os.getpid():  # the first call, or the first one after a fork
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._process == os.getpid():
                return
            self._thread = threading.Thread(target=self._run, name="outbox-waker", daemon=True)
            self._process = os.getpid()
            self._thread.start()

    def _run(self) -> None:
        connection: Any = None
        while True:
            self._wanted.wait()
            self._wanted.clear()
            try:
                if connection is None:
                    connection = self._connect()
                with connection.cursor() as cursor:
                    cursor.execute(_NOTIFY)
            except (SQLAlchemyError, psycopg2.Error) as error:
                _log.warning("could not wake the relay, it will look by itself: %s", error)
                if connection is not None:
                    connection.close()
                connection = None

    def _connect(self) -> Any:
        """Return a connection of the driver for good: SQLAlchemy's statements cost the writer beside it time."""
        pooled = self._engine.raw_connection()
        pooled.detach()
        connection: Any = pooled.dbapi_connection
        connection.autocommit = True
        return connection
