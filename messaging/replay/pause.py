"""The row in the consumer's database that makes its live consumers pause while a replay is under way.

Whoever writes it locks the table, for which every batch has to end that has read it: from then on no batch is under
way that does not know. What stops in the middle leaves the row, so nothing else is handled until somebody decides.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import Connection, delete, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from messaging.errors import ReplayLost, ReplayRefused
from messaging.held import forget_held
from messaging.tables import InboxEvent, OngoingReplay

#: Any number will do that nothing else in the service's database locks.
_LOCK = 0x0B0C5_0003
_ONE = 1
#: Seconds for the database to notice that whoever held the lock is gone.
_PATIENCE = 2.0
_EVERY = 0.1
_LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True)
class Begun:
    """A replay that is under way."""

    run: UUID
    #: An earlier run has forgotten what the service knew, and did not come to its end.
    forgot: bool


@contextmanager
def only_one(sessions: sessionmaker[Session]) -> Iterator[None]:
    """Let nobody else carry out a replay to this service inside the block. Raises ReplayRefused if somebody does."""
    with sessions() as session:
        engine = session.get_bind().engine
    with engine.connect() as connection:
        connection.detach()  # the lock ends with the connection, so that must not go back to the pool
        deadline = time.monotonic() + _PATIENCE
        while not _lock(connection):
            if time.monotonic() > deadline:
                raise ReplayRefused("a replay to this service is being carried out by somebody else")
            time.sleep(_EVERY)
        yield


def begin(session: Session, what: str) -> Begun:
    """Make the live consumers pause from the commit on; what was begun before and cut short is begun anew.

    Raises ReplayRefused if a batch takes long, or if somebody reads the table, as a backup does: as long as this waits
    for them, so do all who come behind.
    """
    session.execute(text("SET LOCAL lock_timeout = '2s'"))
    try:
        session.execute(text("LOCK TABLE replay IN ACCESS EXCLUSIVE MODE"))
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
            raise
        why = "a batch takes long, or somebody reads the table of replays, as a backup does: try again later"
        raise ReplayRefused(why) from error
    row = insert(OngoingReplay).values(id=_ONE, run=uuid4(), what=what)
    anew = {"run": row.excluded.run, "what": row.excluded.what, "started_at": row.excluded.started_at}
    written = row.on_conflict_do_update(index_elements=["id"], set_=anew)
    return Begun(*session.execute(written.returning(OngoingReplay.run, OngoingReplay.forgot)).one())


def forget(session: Session, run: UUID, service_forgets: Callable[[Session], None]) -> None:
    """Empty the service's tables and forget which events were handled.

    Decisions about dead letters stand: they do not follow from the events.
    """
    # Before any row, so that it never waits in a circle with whoever deletes old rows of the inbox.
    session.execute(text("LOCK TABLE inbox IN SHARE ROW EXCLUSIVE MODE"))
    forgot = update(OngoingReplay).where(OngoingReplay.run == run).values(forgot=True)
    if session.execute(forgot.returning(OngoingReplay.id)).one_or_none() is None:
        raise ReplayLost("the replay was given up, or begun anew by somebody else")
    service_forgets(session)
    session.execute(delete(InboxEvent))
    forget_held(session)


def finish(session: Session, run: UUID) -> None:
    """Let the live consumers go on. Raises ReplayLost if the replay is not under way any more."""
    over = delete(OngoingReplay).where(OngoingReplay.run == run).returning(OngoingReplay.id)
    if session.execute(over).one_or_none() is None:
        raise ReplayLost("the replay was given up, or begun anew by somebody else")


def abandon(sessions: sessionmaker[Session]) -> None:
    """Let the live consumers go on after a replay that was cut short.

    Raises ReplayRefused if there is none, if it is being carried out, or if something was forgotten for it.
    """
    with only_one(sessions), sessions.begin() as session:
        begun = ongoing(session)
        if begun is None:
            raise ReplayRefused("no replay to this service is under way")
        if begun.forgot:
            raise ReplayRefused("this service has forgotten what it knew: it has to be rebuilt")
        finish(session, begun.run)


def ongoing(session: Session) -> OngoingReplay | None:
    """Return the replay that is under way or was cut short, if there is one."""
    return session.get(OngoingReplay, _ONE)


def _lock(connection: Connection) -> bool:
    locked = connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK})
    connection.commit()
    return bool(locked)
