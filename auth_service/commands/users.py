"""Registering people, changing, blocking and unblocking them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth_service import events
from auth_service.domain.person import Person, person
from auth_service.errors import EmailTaken, LastAdmin, UserNotFound
from auth_service.models import EMAIL_INDEX, Beak, User
from chassis.business_clock import business_now
from chassis.db import utc_now
from chassis.people import ACTIVE, BLOCKED, Role
from messaging import publish

#: Who might take the last administrator away holds this lock until the commit: two who block each other at the same
#: moment would both still see the other one.
_ADMINS_LOCK = 0x41444D


def create_user(session: Session, *, name: str, email: str, role: str, external_id: str | None = None) -> User:
    """Register somebody. Raises InvalidUser, EmailTaken."""
    who = person(name, email, role)
    with email_checked(session):
        return register(session, who, external_id=external_id, at=business_now(session))


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
    with email_checked(session):
        rename(session, user, wanted)
    if wanted.role != user.role:
        _check_not_last_admin(session, user)
        change_role(session, user, wanted.role)
    return user


def block_user(session: Session, user_id: UUID) -> User:
    """Shut somebody out and end their sessions for good; nothing happens if they are out already.

    Raises UserNotFound, LastAdmin.
    """
    lock_admins(session)
    user = locked_user(session, user_id)
    _check_not_last_admin(session, user)
    block(session, user)
    return user


def unblock_user(session: Session, user_id: UUID) -> User:
    """Let somebody in again; nothing happens if they are in. Raises UserNotFound."""
    user = locked_user(session, user_id)
    unblock(session, user)
    return user


def locked_user(session: Session, user_id: UUID) -> User:
    """Return the user with the row locked, as it is now. Raises UserNotFound."""
    user = User.lock_one(session, User.id == user_id)
    if user is None:
        raise UserNotFound
    return user


def lock_admins(session: Session) -> None:
    """Let nobody else take an administrator away until the commit. Comes before any lock of a user."""
    session.execute(select(func.pg_advisory_xact_lock(_ADMINS_LOCK)))


def try_lock_admins(session: Session) -> bool:
    """Do the same without waiting; False if somebody else does it. For those who have locked users already."""
    locked: bool = session.scalars(select(func.pg_try_advisory_xact_lock(_ADMINS_LOCK))).one()
    return locked


# What happens to a user who is locked. The caller checks the rules about e-mail addresses and administrators. Events
# tell real time, whatever the business clock shows: that of a block decides which tokens count no longer.


def register(session: Session, who: Person, *, external_id: str | None, at: datetime) -> User:
    """Add somebody. `at`: by the business clock, and for each a moment of their own, by which lists are in order."""
    user = User(
        id=uuid4(),
        external_id=external_id,
        name=who.name,
        email=who.email,
        role=who.role,
        status=ACTIVE,
        created_at=at,
    )
    session.add(user)
    publish(session, events.user_registered(user, sequence=user.next_sequence(), changed_at=utc_now()))
    return user


def rename(session: Session, user: User, wanted: Person) -> None:
    """Give the user this name and e-mail address, if they are others."""
    if (wanted.name, wanted.email) != (user.name, user.email):
        user.name, user.email = wanted.name, wanted.email
        publish(session, events.user_updated(user, sequence=user.next_sequence(), changed_at=utc_now()))


def change_role(session: Session, user: User, role: str) -> None:
    """Give the user this role, if it is another one."""
    if role != user.role:
        previous, user.role = user.role, role
        sequence = user.next_sequence()
        publish(
            session,
            events.user_role_changed(user, sequence=sequence, changed_at=utc_now(), previous_role=previous),
        )


def block(session: Session, user: User) -> None:
    """Shut an active user out, and end all sessions for good."""
    if user.status == ACTIVE:
        now = utc_now()
        user.status, user.valid_after = BLOCKED, now
        publish(session, events.user_blocked(user, sequence=user.next_sequence(), changed_at=now))


def unblock(session: Session, user: User) -> None:
    """Let a blocked user in."""
    if user.status == BLOCKED:
        user.status = ACTIVE
        publish(session, events.user_unblocked(user, sequence=user.next_sequence(), changed_at=utc_now()))


def is_active_admin(user: User) -> bool:
    """Tell whether the user may let others in."""
    return user.role == Role.ADMIN and user.status == ACTIVE


def check_an_admin_stays(session: Session, *, without: UUID | None = None) -> None:
    """Raise LastAdmin if there is no active administrator with a beak, or none but the one named."""
    admins = select(User.id).join(Beak).where(User.role == Role.ADMIN, User.status == ACTIVE)
    if without is not None:
        admins = admins.where(User.id != without)
    if session.scalar(admins.limit(1)) is None:
        raise LastAdmin


@contextmanager
def email_checked(session: Session) -> Iterator[None]:
    """Write what the block changes, and say in words what it means if an e-mail address is somebody else's."""
    try:
        with session.begin_nested():
            yield
    except IntegrityError as error:
        if getattr(getattr(error.orig, "diag", None), "constraint_name", None) == EMAIL_INDEX:
            raise EmailTaken from error
        raise


def _check_not_last_admin(session: Session, user: User) -> None:
    if is_active_admin(user):
        check_an_admin_stays(session, without=user.id)
