"""The outbox as the relay sees it: one connection that holds the relay's lock, listens, fetches and marks.

If that connection goes, the lock goes with it, and so does every way to fetch or mark: a relay that lost
its place to a standby cannot go on by mistake.
"""

import select
import socket
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT

from messaging.driver import connect
from messaging.errors import StorageUnavailable

#: Where a commit with events is announced. The channel is the database's own, so every service may use the same name.
CHANNEL = "outbox"
#: Any number will do that nothing else in the service's database locks.
_LOCK = 0x0B0C5_0001

_INTERRUPTS_AT_ONCE = 64

# The first one comes however large it is.
_FETCH = """
    SELECT id, event_id::text, type, subject, sequence, correlation_id::text,
           date_part('epoch', created_at), {body}
      FROM (SELECT *, sum(octet_length(body)) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS bytes_so_far
              FROM (SELECT * FROM outbox
                     WHERE published_at IS NULL
                       AND id <> ALL(%(besides)s::bigint[]) AND subject <> ALL(%(not_of)s::text[]){more}
                     ORDER BY id
                     LIMIT %(limit)s) AS oldest) AS counted
     WHERE bytes_so_far - octet_length(body) < %(max_bytes)s
     ORDER BY id
"""
#: A body is JSON. As text it takes half the bytes on its way, and a fraction of the time to decode.
_TEXT, _BYTES = "convert_from(body, 'UTF8')", "body"
_NOT_WITH = """
                       AND NOT EXISTS (SELECT FROM outbox AS held WHERE held.subject = outbox.subject
                                          AND held.published_at IS NULL AND held.type = ANY(%(not_with)s::text[]))"""
_MARK = """
    WITH marked AS (
        UPDATE outbox SET published_at = clock_timestamp()
         WHERE id = ANY(%(ids)s::bigint[]) AND published_at IS NULL RETURNING 1
    )
    UPDATE relay_progress SET published_total = published_total + (SELECT count(*) FROM marked)
"""


class PendingEvent(NamedTuple):
    """A row of the outbox that the broker has not confirmed."""

    id: int
    event_id: str
    type: str
    subject: str
    sequence: int
    correlation_id: str
    #: Seconds since the epoch.
    created_at: float
    body: bytes


class OutboxReader:
    """A connection to the outbox. Every method raises StorageUnavailable when it is lost."""

    def __init__(self, database_url: str) -> None:
        """Take the database's URL; SQLAlchemy's form with a driver's name is understood."""
        self._dsn = database_url.replace("+psycopg2", "", 1)

    def __enter__(self) -> Self:
        """Connect."""
        try:
            self._connection = connect(self._dsn, application_name="relay", client_encoding="UTF8")
        except psycopg2.OperationalError as error:
            raise StorageUnavailable(str(error).strip()) from error
        self._connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        # In any other encoding there may be no such character, or another one comes back.
        self._bodies_are_text = self._connection.get_parameter_status("server_encoding") == "UTF8"
        self._cursor = self._connection.cursor()
        self._interrupts, self._interrupting = socket.socketpair()
        self._interrupted = False
        try:
            # A mark lost in a crash of the database costs a second publication, which the inbox catches.
            self._execute("SET synchronous_commit = off", {})
            # How much is pending changes faster than the planner's figures: looking up a held subject for each event,
            # it would take hours for what a hash takes a second for.
            self._execute("SET enable_nestloop = off", {})
        except StorageUnavailable:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect, which gives the lock back."""
        self._close()

    def _close(self) -> None:
        self._connection.close()
        self._interrupts.close()
        self._interrupting.close()

    def lock(self) -> bool:
        """Try to become the active relay of this database. Held until the connection ends."""
        self._execute("SELECT pg_try_advisory_lock(%(lock)s)", {"lock": _LOCK})
        row = self._cursor.fetchone()
        if row is None or not row[0]:
            return False
        self._execute(f"LISTEN {CHANNEL}", {})
        return True

    def fetch(
        self,
        limit: int,
        *,
        max_bytes: int,
        besides: Sequence[int],
        not_of: Sequence[str] = (),
        not_with: Sequence[str] = (),
    ) -> list[PendingEvent]:
        """Return the oldest pending events, `limit` at the most, or as many as have so many bytes.

        None of the events `besides`, none of the subjects `not_of`, and none of a subject that has an event of the
        types `not_with` pending.

        Not "those after the last id": ids are drawn before the commit, so a lower one can become visible later.
        """
        wanted = {"limit": limit, "max_bytes": max_bytes, "besides": _array(besides), "not_of": list(not_of)}
        wanted |= {"not_with": list(not_with)}
        more = _NOT_WITH if not_with else ""  # else it would pass over all that is pending for nothing
        if self._bodies_are_text:
            # Without: somebody wrote a body past `publish`, and consumers are to say what is wrong with it.
            with suppress(psycopg2.DataError):
                self._execute(_FETCH.format(body=_TEXT, more=more), wanted)
                return [PendingEvent._make((*row[:7], row[7].encode())) for row in self._cursor.fetchall()]
        self._execute(_FETCH.format(body=_BYTES, more=more), wanted)
        return [PendingEvent._make((*row[:7], bytes(row[7]))) for row in self._cursor.fetchall()]

    def mark_published(self, ids: Sequence[int]) -> None:
        """Record that the broker confirmed these."""
        self._execute(_MARK, {"ids": _array(ids)})

    def wait(self, timeout: float) -> bool:
        """Wait until somebody commits events or interrupts, `timeout` seconds at the most.

        Tell whether it is time to fetch: somebody committed since that was last told, or there was no news at all, of
        which some may have been lost.
        """
        if self._heard_of_commits():
            return True
        sources: list[Any] = [self._connection, self._interrupts]
        readable, _, _ = select.select(sources, [], [], timeout)
        if self._interrupts in readable:
            self._interrupts.recv(_INTERRUPTS_AT_ONCE)
            self._interrupted = False  # whoever found it set in between has done before what the caller looks at next
        return self._heard_of_commits() or not readable

    def interrupt(self) -> None:
        """End a `wait` that is under way, or the next one. May be called on any thread."""
        if not self._interrupted:
            self._interrupted = True
            self._interrupting.send(b"!")

    def _heard_of_commits(self) -> bool:
        try:
            self._connection.poll()
        except psycopg2.Error as error:
            raise StorageUnavailable(str(error).strip()) from error
        heard = bool(self._connection.notifies)
        self._connection.notifies.clear()
        return heard

    def _execute(self, statement: str, parameters: dict[str, Any]) -> None:
        try:
            self._cursor.execute(statement, parameters)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise StorageUnavailable(str(error).strip()) from error


def _array(ids: Sequence[int]) -> str:
    """Return them as one literal: of a list, the driver would quote each."""
    return f"{{{','.join(map(str, ids))}}}"
