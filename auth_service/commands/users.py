"""Registering people, changing, blocking and unblocking them."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth_service import events
from auth_service.domain.person import Person, person
from auth_service.errors import EmailTaken, LastAdmin, UserNotFound
from auth_service.models import EMAIL_INDEX, Beak, User
from chassis.db import utc_now
from chassis.people import ACTIVE, BLOCKED, Role
from messaging import publish

#: Who might take the last administrator away holds this lock until the commit: two who block each other at the same
#: moment would both still see the other one.
_ADMINS_LOCK = 0x41444D


def create_user(session: Session, *, name: str, email: str, role: str, external_id: str | None = None) -> User:
    """Register somebody. Raises InvalidUser, EmailTaken."""
    who = person(name, email, role)
    now = utc_now()
    user = User(
        id=uuid4(),
        external_id=external_id,
        name=who.name,
        email=who.email,
        role=who.role,
        status=ACTIVE,
        created_at=now,
    )
    with _email_checked(session):
        sequence = user.next_version()
        session.add(user)
    publish(session, events.user_registered(user, sequence=sequence, changed_at=now))
    return user


def update_user(
    session: Session, user_id: UUID, *, name: str | None = None, email: str | None = None, role: str | None = None
) -> User:
    """Change what is not None. Nothing is published when nothing changed.

    Raises UserNotFound, InvalidUser, EmailTaken, LastAdmin.
    """
    if role is not None:
        lock_admins(session)
    user = locked_user(session, user_id)
    wanted = person(
        user.name if name is None else name,
        user.email if email is None else email,
        user.role if role is None else role,
    )
    _rename(session, user, wanted)
    _change_role(session, user, wanted.role)
    return user


def block_user(session: Session, user_id: UUID) -> User:
    """Shut somebody out and end their sessions for good; nothing happens if they are out already.

    Raises UserNotFound, LastAdmin.
    """
    lock_admins(session)
    user = locked_user(session, user_id)
    if user.status == ACTIVE:
        _check_not_last_admin(session, user)
        now = utc_now()
        user.status, user.valid_after = BLOCKED, now
        publish(session, events.user_blocked(user, sequence=user.next_version(), changed_at=now))
    return user


def unblock_user(session: Session, user_id: UUID) -> User:
    """Let somebody in again; nothing happens if they are in. Raises UserNotFound."""
    user = locked_user(session, user_id)
    if user.status == BLOCKED:
        user.status = ACTIVE
        publish(session, events.user_unblocked(user, sequence=user.next_version(), changed_at=utc_now()))
    return user


def locked_user(session: Session, user_id: UUID) -> User:
    """Return the user with the row locked, as it is now. Raises UserNotFound."""
    user = session.get(User, user_id, with_for_update=True, populate_existing=True)
    if user is None:
        raise UserNotFound
    return user


def lock_admins(session: Session) -> None:
    """Let nobody else take an administrator away until the commit. Comes before any lock of a user."""
    session.execute(select(func.pg_advisory_xact_lock(_ADMINS_LOCK)))


def _rename(session: Session, user: User, wanted: Person) -> None:
    if (wanted.name, wanted.email) == (user.name, user.email):
        return
    with _email_checked(session):
        user.name, user.email = wanted.name, wanted.email
        sequence = user.next_version()
    publish(session, events.user_updated(user, sequence=sequence, changed_at=utc_now()))


def _change_role(session: Session, user: User, role: str) -> None:
    if role == user.role:
        return
    _check_not_last_admin(session, user)
    previous, user.role = user.role, role
    changed = events.user_role_changed(user, sequence=user.next_version(), changed_at=utc_now(), previous_role=previous)
    publish(session, changed)


def _check_not_last_admin(session: Session, user: User) -> None:
    if user.role != Role.ADMIN or user.status != ACTIVE:
        return
    others = select(User.id).join(Beak).where(User.role == Role.ADMIN, User.status == ACTIVE, User.id != user.id)
    if session.scalar(others.limit(1)) is None:
        raise LastAdmin


@contextmanager
def _email_checked(session: Session) -> Iterator[None]:
    """Write what the block changes, and say in words what it means if the e-mail address is somebody else's."""
    try:
        with session.begin_nested():
            yield
    except IntegrityError as error:
        if getattr(getattr(error.orig, "diag", None), "constraint_name", None) == EMAIL_INDEX:
            raise EmailTaken from error
        raise
