"""Databases in memory, with transactions that are rolled back when their program is killed.

They stand in for Postgres at the functions of `messaging.inbox`, `suspects` and `pending` that touch it.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Self
from uuid import UUID

import psycopg2
from sqlalchemy.exc import OperationalError

from messaging import Event
from messaging.errors import StorageUnavailable
from messaging.inbox import Known
from messaging.outbox_reader import PendingEvent
from messaging.suspects import FATAL_STARTS
from tests.unit.messaging_stepping import pause, program

Fault = Literal["begin", "before the commit", "after the commit"]


@dataclass
class Tables:
    """What a consumer's database holds."""

    inbox: set[UUID] = field(default_factory=set)
    #: By event id: aggregate, sequence, when it is expected back.
    waiting: dict[UUID, tuple[str, int, datetime]] = field(default_factory=dict)
    suspects: dict[UUID, int] = field(default_factory=dict)
    #: Subject and sequence, in the order in which the handler saw them.
    effects: list[tuple[str, int]] = field(default_factory=list)


Change = Callable[[Tables], object]


class MemorySession:
    """A transaction: sees what is committed and what it has changed itself."""

    def __init__(self, database: "MemoryDatabase") -> None:
        self.database = database
        self.changes: list[Change] = []

    def change(self, change: Change) -> None:
        self.changes.append(change)

    def tables(self) -> Tables:
        seen = deepcopy(self.database.tables)
        for change in self.changes:
            change(seen)
        return seen


class MemoryDatabase:
    """A consumer's database, in place of a sessionmaker."""

    def __init__(self) -> None:
        self.tables = Tables()
        #: Ids that a transaction has put into the inbox and not yet committed: others wait for its end.
        self.claimed: dict[UUID, MemorySession] = {}
        #: Where the connection is lost next, once.
        self.fault: Fault | None = None

    @contextmanager
    def begin(self) -> Iterator[MemorySession]:
        pause()
        self._fail_at("begin")
        session = MemorySession(self)
        try:
            yield session
            pause()
            self._fail_at("before the commit")
            for change in session.changes:
                change(self.tables)
        finally:
            for event_id in [key for key, holder in self.claimed.items() if holder is session]:
                del self.claimed[event_id]
        pause()
        self._fail_at("after the commit")

    def _fail_at(self, place: Fault) -> None:
        if self.fault == place:
            self.fault = None
            raise OperationalError("cut", {}, psycopg2.OperationalError("cut"))


class MemoryInbox:
    """The functions of `messaging.inbox`."""

    @staticmethod
    def look_up(session: MemorySession, aggregates: Collection[str], event_ids: Collection[UUID]) -> Known:  # noqa: ARG004
        found: dict[str, dict[int, datetime]] = {}
        for aggregate, sequence, retry_at in session.tables().waiting.values():
            if aggregate in aggregates:
                found.setdefault(aggregate, {})[sequence] = retry_at
        return Known(found)

    @staticmethod
    def replay_under_way(session: MemorySession) -> None:  # noqa: ARG004
        return None

    @staticmethod
    def resume_waiting(session: MemorySession) -> None:
        now = datetime.now(UTC)
        session.change(
            lambda tables: tables.waiting.update(
                {key: (line, number, max(at, now)) for key, (line, number, at) in tables.waiting.items()}
            )
        )

    @staticmethod
    def wait(session: MemorySession, event: Event, aggregate: str, retry_at: datetime) -> None:
        session.change(lambda tables: tables.waiting.update({event.id: (aggregate, event.sequence, retry_at)}))

    @staticmethod
    def stop_waiting(session: MemorySession, event_ids: Collection[UUID]) -> None:
        session.change(lambda tables: [tables.waiting.pop(event_id, None) for event_id in event_ids])

    @staticmethod
    def give_up(session: MemorySession, lost: Collection[tuple[str, int]]) -> None:
        for event_id, (aggregate, sequence, _) in session.tables().waiting.items():
            if (aggregate, sequence) in lost:
                MemoryInbox.stop_waiting(session, [event_id])

    @staticmethod
    def remember(session: MemorySession, event_ids: Collection[UUID]) -> set[UUID]:
        claimed = session.database.claimed
        while any(claimed.get(event_id, session) is not session for event_id in event_ids):
            pause()
        new = set(event_ids) - session.tables().inbox
        claimed.update(dict.fromkeys(new, session))
        session.change(lambda tables: tables.inbox.update(new))
        return set(new)


class MemorySuspects:
    """The functions of `messaging.suspects`."""

    FATAL_STARTS = FATAL_STARTS

    @staticmethod
    def begin_in_company(session: MemorySession, event_ids: Collection[UUID]) -> set[UUID]:
        new = set(event_ids) - session.tables().suspects.keys()
        session.change(lambda tables: tables.suspects.update(dict.fromkeys(new, 0)))
        return new

    @staticmethod
    def begin_alone(session: MemorySession, event_id: UUID, *, once_more: bool) -> int:
        starts = session.tables().suspects.get(event_id, 1 if once_more else 0) + (0 if once_more else 1)
        session.change(lambda tables: tables.suspects.update({event_id: starts}))
        return starts

    @staticmethod
    def clear(session: MemorySession, event_ids: Collection[UUID]) -> None:
        session.change(lambda tables: [tables.suspects.pop(event_id, None) for event_id in event_ids])


class MemoryOutbox:
    """The producer's database: rows get their ids when they are written, and are seen when they are committed."""

    def __init__(self) -> None:
        self.rows: dict[int, PendingEvent] = {}
        self.committed: set[int] = set()
        self.published: set[int] = set()
        self.locked_by: MemoryOutboxReader | None = None
        self._next_id = 1

    def write(self, event: Event) -> int:
        row_id = self._next_id
        self._next_id += 1
        self.rows[row_id] = PendingEvent(
            id=row_id,
            event_id=str(event.id),
            type=event.type,
            subject=event.subject,
            sequence=event.sequence,
            correlation_id=str(event.correlation_id),
            created_at=event.time.timestamp(),
            body=event.to_bytes(),
        )
        return row_id

    def pending(self) -> list[int]:
        return sorted(self.committed - self.published)


class MemoryOutboxReader:
    """A relay's connection to the outbox, as `messaging.outbox_reader.OutboxReader` is one."""

    def __init__(self, outbox: MemoryOutbox) -> None:
        self._outbox = outbox
        self._cut = False
        self._interrupted = False
        self._seen: set[int] = set()

    def lose(self) -> None:
        """Cut it: the server lets go of the lock at once, the relay notices when it asks for something."""
        self._cut = True
        if self._outbox.locked_by is self:
            self._outbox.locked_by = None

    def __enter__(self) -> Self:
        program().connections.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lose()
        program().connections.remove(self)

    def _ask(self) -> None:
        pause()
        if self._cut:
            raise StorageUnavailable("cut")

    def lock(self) -> bool:
        self._ask()
        if self._outbox.locked_by is None:
            self._outbox.locked_by = self
        return self._outbox.locked_by is self

    def fetch(
        self,
        limit: int,
        *,
        max_bytes: int,
        besides: Sequence[int],
        not_of: Sequence[str] = (),
        not_with: Sequence[str] = (),
    ) -> list[PendingEvent]:
        self._ask()
        self._seen = set(self._outbox.committed)
        found: list[PendingEvent] = []
        pending = [self._outbox.rows[row_id] for row_id in self._outbox.pending()]
        held = {*not_of, *(event.subject for event in pending if event.type in not_with)}
        for event in pending:
            if event.id in besides or event.subject in held:
                continue
            if len(found) < limit and sum(len(event.body) for event in found) < max_bytes:
                found.append(event)
        return found

    def mark_published(self, ids: Sequence[int]) -> None:
        self._ask()
        self._outbox.published |= set(ids)

    def wait(self, timeout: float) -> bool:  # noqa: ARG002
        self._ask()
        interrupted, self._interrupted = self._interrupted, False
        return self._outbox.committed != self._seen or not interrupted

    def interrupt(self) -> None:
        self._interrupted = True
