"""People as a service knows them: a replica of auth's users, kept by the service's own consumer."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from chassis.db import Database
from messaging import Event


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


@dataclass(frozen=True)
class LocalUser:
    """What the service itself knows of a user; it overrides what a token or a session says."""

    user_id: UUID
    name: str
    role: str
    status: str


@dataclass(frozen=True)
class Principal:
    """Who makes a request."""

    user_id: UUID
    name: str
    role: Role


#: Looks a user up in the service's own database; None if the service has not heard of the user yet.
FindUser = Callable[[UUID], LocalUser | None]


class UserReplica:
    """Mixin for a service's table of users. A service adds a `__tablename__` and columns of its own."""

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    role: Mapped[str]
    #: `active` or `blocked`.
    status: Mapped[str]
    #: Of the newest event that was applied: older ones that arrive later change nothing.
    sequence: Mapped[int]


def upsert_user(session: Session, model: type[UserReplica], event: Event) -> bool:
    """Apply an event of auth's about a user to the replica; return whether it changed anything.

    Every such event carries the whole user, so the newest wins, in whatever order they arrive.
    """
    data = event.data
    values = {name: data[name] for name in ("name", "email", "role", "status")}
    row = insert(model).values(user_id=UUID(data["user_id"]), sequence=event.sequence, **values)
    statement = row.on_conflict_do_update(
        index_elements=["user_id"],
        set_={**{name: row.excluded[name] for name in values}, "sequence": row.excluded["sequence"]},
        where=model.sequence < row.excluded["sequence"],
    ).returning(model)
    # A user that the session has loaded already is brought up to date as well.
    changed = session.scalars(statement, execution_options={"populate_existing": True})
    return changed.one_or_none() is not None


def find_user_in(database: Database, model: type[UserReplica]) -> FindUser:
    """Return the `find_user` that `build_app` wants, reading the given replica."""

    def find_user(user_id: UUID) -> LocalUser | None:
        with database.reading() as session:
            user = session.get(model, user_id)
            if user is None:
                return None
            return LocalUser(user.user_id, user.name, user.role, user.status)

    return find_user
