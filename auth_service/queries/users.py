"""What the API and the pages show of users."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from auth_service.errors import NobodyOfTheseRoles, UserNotFound
from auth_service.models import Beak, User
from chassis.paging import Order, Page, PageRequest, fetch_page
from chassis.people import ACTIVE


def user(session: Session, user_id: UUID) -> User:
    """Return one user. Raises UserNotFound."""
    found = session.get(User, user_id)
    if found is None:
        raise UserNotFound
    return found


def users(session: Session, *, page: PageRequest, role: str | None = None, status: str | None = None) -> Page[User]:
    """Users of a role and status, or of any; who came first stands first."""
    statement = select(User)
    if role is not None:
        statement = statement.where(User.role == role)
    if status is not None:
        statement = statement.where(User.status == status)
    return fetch_page(session, statement, Order((User.created_at, User.id)), page)


def count_users(session: Session, *, status: str) -> int:
    """How many users there are of a status."""
    return session.scalar(select(func.count()).where(User.status == status)) or 0


def random_user(session: Session, roles: Sequence[str]) -> User:
    """Return an active user of one of these roles, all equally likely; no roles: of any role.

    Raises NobodyOfTheseRoles.
    """
    statement = select(User).where(User.status == ACTIVE)
    if roles:
        statement = statement.where(User.role.in_(roles))
    found = session.scalar(statement.order_by(func.random()).limit(1))
    if found is None:
        raise NobodyOfTheseRoles
    return found


def imported_users(session: Session, prefix: str) -> list[User]:
    """The active users whose external id starts like this, by name."""
    statement = select(User).where(User.external_id.startswith(prefix, autoescape=True), User.status == ACTIVE)
    return list(session.scalars(statement.order_by(User.name)))


def has_beak(session: Session, user_id: UUID) -> bool:
    """Tell whether the user could sign in by now."""
    return session.scalar(select(Beak.user_id).where(Beak.user_id == user_id)) is not None
