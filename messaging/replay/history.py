"""What a producer has committed and still keeps: its outbox, read from the beginning while it goes on being written."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Double, Engine, Text, cast, extract, func, select, text
from sqlalchemy.exc import DBAPIError

from messaging.database import database_is_away
from messaging.errors import ReplayStopped
from messaging.outbox_reader import PendingEvent
from messaging.tables import OutboxEvent, RelayProgress
from messaging.transport import Broker

T = TypeVar("T")

#: Rows read at once.
_PAGE = 1000
#: Above every id.
_NO_END = 2**63 - 1
#: Seconds between two looks for writers that have not ended, or for a database that is away.
_PAUSE = 0.1


# Who inserts holds this lock until its transaction ends, and takes it before it draws an id.
_WRITERS = text("""
    SELECT virtualtransaction FROM pg_locks
     WHERE relation = 'outbox'::regclass AND mode = 'RowExclusiveLock'
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")
_EVENTS = select(
    OutboxEvent.id,
    cast(OutboxEvent.event_id, Text),
    OutboxEvent.type,
    OutboxEvent.subject,
    OutboxEvent.sequence,
    cast(OutboxEvent.correlation_id, Text),
    cast(extract("epoch", OutboxEvent.created_at), Double),
    OutboxEvent.body,
).order_by(OutboxEvent.id)


@dataclass(frozen=True)
class Producer:
    """Somebody whose events are replayed, and how to get at them."""

    name: str
    #: The database with its outbox.
    engine: Engine
    #: As a user who may replay its events.
    broker: Broker


@dataclass(frozen=True)
class Survey:
    """How much of a producer's history there is."""

    producer: str
    #: Retained events of those that are wanted.
    retained: int
    #: Events of whatever kind that were published and have been deleted since, their time being over.
    deleted: int


class History:
    """The events of one producer that are wanted, in the order of its outbox.

    All that was committed counts, whether the relay has marked it as published or not: a consumer may have handled
    what the relay has yet to mark. What comes twice in this way has no second effect.
    """

    def __init__(
        self, producer: Producer, names: Collection[str], since: datetime | None, stop: threading.Event
    ) -> None:
        """Take the names wanted, without versions, and the moment before which nothing is. Nothing is read yet."""
        self.producer = producer
        name = func.substring(OutboxEvent.type, r"^(.*)\.v")
        self._wanted = [name.in_(sorted(names)), *([OutboxEvent.created_at >= since] if since else [])]
        self._stop = stop
        self._last = _NO_END

    def survey(self) -> Survey:
        """Count, up to the end if there is one."""
        published = OutboxEvent.published_at.is_not(None)
        counts = select(
            func.count().filter(OutboxEvent.id <= self._last, *self._wanted),
            func.count().filter(published),
            select(RelayProgress.published_total).scalar_subquery(),
        ).select_from(OutboxEvent)
        with self.producer.engine.connect() as connection:
            wanted, kept, published_total = connection.execute(counts).one()
        return Survey(self.producer.name, wanted, max(0, published_total - kept))

    def end_here(self) -> None:
        """Let the history end with what is committed by now; wait for those who drew an id before and may yet commit.

        What is committed later has higher ids, so of no aggregate an earlier event is left out and a later one is not.
        A database that is away is waited for. Raises ReplayStopped when stopped while waiting.
        """
        self._until_database_answers(self._find_end)

    def _find_end(self) -> None:
        with self.producer.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            self._last = connection.scalar(select(func.max(OutboxEvent.id))) or 0
            writers = _writers(connection)
            while writers:
                self._pause()
                writers &= _writers(connection)

    def retained(self) -> int:
        """Count the events up to the end. A database that is away is waited for, unless stopped: ReplayStopped."""
        return self._until_database_answers(self.survey).retained

    def events(self) -> Iterator[PendingEvent]:
        """Yield the events, a page in memory at a time. A database that is away is waited for.

        Raises ReplayStopped when stopped meanwhile.
        """
        after = 0
        while page := self._until_database_answers(partial(self._page, after)):
            yield from page
            after = page[-1].id

    def _page(self, after: int) -> Sequence[PendingEvent]:
        with self.producer.engine.connect() as connection:
            between = (OutboxEvent.id > after, OutboxEvent.id <= self._last)
            rows = connection.execute(_EVENTS.where(*between, *self._wanted).limit(_PAGE)).all()
        return [PendingEvent._make((*row[:7], bytes(row[7]))) for row in rows]

    def _until_database_answers(self, work: Callable[[], T]) -> T:
        while True:
            try:
                return work()
            except DBAPIError as error:
                if not database_is_away(error):
                    raise
                self._pause()

    def _pause(self) -> None:
        if self._stop.wait(_PAUSE):
            raise ReplayStopped


def _writers(connection: Connection) -> set[str]:
    return set(connection.scalars(_WRITERS))
