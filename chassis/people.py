"""People as a service knows them: replicas of auth's users and ended sessions, kept by the service's own consumer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import DateTime, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from chassis.db import Database, utc_now
from messaging import Event

#: For how long a session goes on without auth's word; a token does not live longer either.
LIFETIME = timedelta(minutes=5)


class Role(StrEnum):
    """What a person is at UberPopug Inc. Everyone except managers and admins can be assigned tasks."""

    POPUG = "popug"
    BOSS = "boss"
    ACCOUNTANT = "accountant"
    MANAGER = "manager"
    ADMIN = "admin"


ROLES = tuple(Role)

ACTIVE = "active"
BLOCKED = "blocked"


#: How long the id of an ended session is kept. No token and no page session lives for longer without auth's word.
_ENDED_SESSIONS_KEPT = timedelta(minutes=10)


@dataclass(frozen=True)
class Claims:
    """What an access token or a page session says: whose it is, and to which session with auth it belongs."""

    user_id: UUID
    name: str
    role: Role
    session_id: UUID
    #: When auth gave the token, or that with which the page session began.
    issued_at: datetime
    #: When auth last said that the session goes on.
    confirmed_at: datetime
    #: The token's own id; None for a page session.
    token_id: UUID | None = None


@dataclass(frozen=True)
class LocalUser:
    """What the service itself knows of the holder of some claims; it overrides what they say."""

    user_id: UUID
    name: str
    role: str
    status: str
    #: The session ended, or the user was blocked after the claims were made.
    session_ended: bool = False


@dataclass(frozen=True)
class Principal:
    """The person that makes a request, and their session with auth."""

    user_id: UUID
    name: str
    role: Role
    session_id: UUID


#: Looks the holder up in the service's own database; None if the service has not heard of the user yet.
FindUser = Callable[[Claims], LocalUser | None]


class UserReplica:
    """Mixin for a service's table of users. A service adds a `__tablename__` and columns of its own."""

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    role: Mapped[str]
    #: `active` or `blocked`.
    status: Mapped[str]
    #: What was issued then or before counts no longer, also after an unblocking; None for who was never blocked.
    valid_after: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: Of the newest event that was applied: older ones that arrive later change nothing.
    sequence: Mapped[int]


class EndedSessionReplica:
    """Mixin for a service's table of sessions that were signed out lately. A service adds a `__tablename__`."""

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)


def upsert_user(session: Session, model: type[UserReplica], event: Event) -> bool:
    """Apply an event of auth's about a user to the replica; return whether it changed anything.

    Every such event carries the whole user, so the newest wins, in whatever order they arrive.
    """
    data = event.data
    user_id = UUID(data["user_id"])
    values = {name: data[name] for name in ("name", "email", "role", "status")}
    row = insert(model).values(user_id=user_id, sequence=event.sequence, **values)
    statement = row.on_conflict_do_update(
        index_elements=["user_id"],
        set_={**{name: row.excluded[name] for name in values}, "sequence": row.excluded["sequence"]},
        where=model.sequence < row.excluded["sequence"],
    ).returning(model)
    # A user that the session has loaded already is brought up to date as well.
    changed = session.scalars(statement, execution_options={"populate_existing": True}).one_or_none() is not None
    if data["status"] == BLOCKED:
        _invalidate_what_was_issued(session, model, user_id, datetime.fromisoformat(data["changed_at"]))
    return changed


def end_session(session: Session, model: type[EndedSessionReplica], event: Event) -> None:
    """Apply auth's user_signed_out, and forget the sessions that ended so long ago that nothing of them can be left."""
    ended_at = datetime.fromisoformat(event.data["signed_out_at"])
    oldest = utc_now() - _ENDED_SESSIONS_KEPT
    session.execute(delete(model).where(model.ended_at < oldest))
    if ended_at >= oldest:
        row = insert(model).values(session_id=UUID(event.data["sign_in_id"]), ended_at=ended_at)
        session.execute(row.on_conflict_do_nothing())


def find_user_in(database: Database, users: type[UserReplica], ended_sessions: type[EndedSessionReplica]) -> FindUser:
    """Return the `find_user` that `build_app` wants, reading the given replicas."""

    holder = (
        select(users.name, users.role, users.status, users.valid_after, ended_sessions.session_id.label("ended"))
        .outerjoin(ended_sessions, ended_sessions.session_id == bindparam("session_id"))
        .where(users.user_id == bindparam("user_id"))
    )

    def find_user(claims: Claims) -> LocalUser | None:
        user = database.one_row(holder, user_id=claims.user_id, session_id=claims.session_id)
        if user is None:
            return None
        invalid = user.valid_after is not None and claims.issued_at <= user.valid_after
        return LocalUser(
            claims.user_id, user.name, user.role, user.status, session_ended=invalid or user.ended is not None
        )

    return find_user


def _invalidate_what_was_issued(session: Session, model: type[UserReplica], user_id: UUID, until: datetime) -> None:
    """Let what was issued by then count no longer. Whichever event tells of a block, and when, the latest time wins."""
    latest = func.greatest(model.valid_after, until)  # of a NULL and a time it is the time
    session.execute(update(model).where(model.user_id == user_id).values(valid_after=latest))
