"""Databases in memory, with transactions that are rolled back when their program is killed.

They stand in for Postgres at the functions of `messaging.inbox`, `held` and `pending` that touch it.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Literal, NoReturn, Self
from uuid import UUID

import psycopg2
from sqlalchemy.exc import OperationalError

from messaging import Event
from messaging.errors import StorageUnavailable
from messaging.held import Standing, take_places
from messaging.outbox_reader import PendingEvent
from messaging.received import HeldRow, Received
from messaging.sender import SENT_BY, sent_by
from messaging.topology import events_queue
from messaging.transport import Delivery
from tests.unit.messaging_stepping import pause, program

Fault = Literal["begin", "before the commit", "after the commit"]


@dataclass
class Tables:
    """What a consumer's database holds."""

    inbox: set[UUID] = field(default_factory=set)
    held: "dict[UUID, MemoryRow]" = field(default_factory=dict)
    #: Subject and sequence, in the order in which the handler saw them.
    effects: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class MemoryRow:
    """An event that waits: until it is due, or without a time behind another one."""

    aggregate: str
    sequence: int
    delivery: Delivery
    due_at: datetime | None
    attempts: int
    starts: int = 0
    started_by: UUID | None = None

    def is_due(self) -> bool:
        return self.due_at is not None and self.due_at <= datetime.now(UTC)

    def suspected_by(self, process: UUID) -> bool:
        return self.starts > 0 and self.started_by != process

    def sent_on(self, service: str) -> Delivery:
        """Return the message as one that the service has sent to itself."""
        headers = {**self.delivery.headers, SENT_BY: sent_by(self.delivery)}
        return replace(self.delivery, tag=0, headers=headers, routing_key=events_queue(service), redelivered=False)


Change = Callable[[Tables], object]


class MemorySession:
    """A transaction: sees what is committed and what it has changed itself."""

    def __init__(self, database: "MemoryDatabase") -> None:
        self.database = database
        self.changes: list[Change] = []

    def change(self, change: Change) -> None:
        self.changes.append(change)

    def scalar(self, _is_there_anything_to_do: object) -> bool:
        return True

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
        #: The transaction that holds the lock on lines; None if none does.
        self.releasing: MemorySession | None = None
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
            if self.releasing is session:
                self.releasing = None
        pause()
        self._fail_at("after the commit")

    def _fail_at(self, place: Fault) -> None:
        if self.fault == place:
            self.fault = None
            raise OperationalError("cut", {}, psycopg2.OperationalError("cut"))


class MemoryInbox:
    """The functions of `messaging.inbox`."""

    @staticmethod
    def replay_under_way(session: MemorySession) -> None:  # noqa: ARG004
        return None

    @staticmethod
    def is_or_will_be_handled(session: MemorySession, event_id: UUID) -> bool:
        return event_id in session.tables().inbox

    @staticmethod
    def handled(session: MemorySession, event_ids: Collection[UUID]) -> set[UUID]:
        return set(event_ids) & session.tables().inbox

    @staticmethod
    def remember(session: MemorySession, event_ids: Collection[UUID]) -> set[UUID]:
        claimed = session.database.claimed
        while any(claimed.get(event_id, session) is not session for event_id in event_ids):
            pause()
        new = set(event_ids) - session.tables().inbox
        claimed.update(dict.fromkeys(new, session))
        session.change(lambda tables: tables.inbox.update(new))
        return set(new)


class MemoryHeld:
    """The functions of `messaging.held`, for events that never die."""

    take_places = staticmethod(take_places)

    @staticmethod
    def look_up(session: MemorySession, batch: Sequence[Received]) -> Standing:
        rows = session.tables().held
        lines: dict[str, dict[UUID, int]] = {}
        for key, row in rows.items():
            if any(received.aggregate == row.aggregate for received in batch):
                lines.setdefault(row.aggregate, {})[key] = row.sequence
        copies = [r.delivery.tag for r in batch if r.row is None and r.event.id in rows]
        living = frozenset(r.row.id for r in batch if r.row and r.row.id in rows)
        return Standing(lines, frozenset(copies), living, touched=bool(lines or living or copies))

    @staticmethod
    def block(session: MemorySession, behind: Sequence[Received]) -> None:
        for received in behind:
            _hold(session, received, None, received.attempts)

    @staticmethod
    def hold_until_due(
        session: MemorySession,
        received: Received,
        delay: timedelta,
        *,
        attempts: int,
        error: str,  # noqa: ARG004
    ) -> None:
        _hold(session, received, datetime.now(UTC) + delay, attempts)

    @staticmethod
    def take_due(session: MemorySession, service: str, process: UUID, *, limit: int) -> list[HeldRow]:
        rows = sorted(session.tables().held.items(), key=lambda item: item[1].sequence)
        heads = {row.aggregate for _, row in rows if row.due_at and row.due_at <= datetime.now(UTC)}
        due = [(key, row) for key, row in rows if row.aggregate in heads and (not row.due_at or row.is_due())][:limit]
        taken = [
            HeldRow(
                key, row.attempts, row.starts > 0 and row.started_by != process, row.aggregate, row.sent_on(service)
            )
            for key, row in due
        ]
        _begin(session, [row.id for row in taken if not row.suspected], process)
        return taken

    @staticmethod
    def begin_alone(session: MemorySession, row_id: UUID, process: UUID) -> int:
        _begin(session, [row_id], process)
        row = session.tables().held.get(row_id)
        return row.starts if row else 0

    @staticmethod
    def settle(session: MemorySession, ids: Collection[UUID]) -> None:
        session.change(lambda tables: [tables.held.pop(key, None) for key in ids])

    @staticmethod
    def lock_lines(session: MemorySession) -> None:
        while session.database.releasing not in (None, session):
            pause()
        session.database.releasing = session

    @staticmethod
    def event_of(delivery: Delivery, error: Exception) -> None:  # noqa: ARG004
        return None

    @staticmethod
    def release(session: MemorySession, aggregates: Collection[str]) -> None:
        session.change(lambda tables: _release(tables, aggregates))

    @staticmethod
    def die(session: MemorySession, *died: object, **how: object) -> NoReturn:  # noqa: ARG004
        raise AssertionError(f"an innocent event died: {died}")

    @staticmethod
    def Line(*place: object, strict: bool) -> None:  # noqa: ARG004
        return None


def _hold(session: MemorySession, received: Received, due_at: datetime | None, attempts: int) -> None:
    row = MemoryRow(received.aggregate, received.event.sequence, received.delivery, due_at, attempts)

    def hold(tables: Tables) -> None:
        if received.row is None:
            tables.held.setdefault(received.key, row)
        elif received.key in tables.held:
            tables.held[received.key] = row

    session.change(hold)


def _begin(session: MemorySession, ids: Collection[UUID], process: UUID) -> None:
    def begin(tables: Tables) -> None:
        for key in ids:
            row = tables.held.get(key)
            if row is not None and row.started_by != process:
                tables.held[key] = replace(row, starts=row.starts + 1, started_by=process)

    session.change(begin)


def _release(tables: Tables, aggregates: Collection[str]) -> None:
    heads: dict[str, tuple[int, UUID]] = {}
    for key, row in tables.held.items():
        if row.aggregate in aggregates:
            place = (row.sequence, key)
            heads[row.aggregate] = min(place, heads.get(row.aggregate, place))
    for _, key in heads.values():
        row = tables.held[key]
        tables.held[key] = replace(row, due_at=row.due_at or datetime.now(UTC))


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
