"""Drawing assignees from the people in the database, and keeping out whoever is about to leave."""

from collections.abc import Sequence
from random import Random, SystemRandom
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tracker_service.domain.draw import draw_position
from tracker_service.models import CAN_BE_ASSIGNED, User

#: Whence the draws come: the operating system, so that no process repeats what its twin draws after a fork.
CHANCE = SystemRandom()

#: Names the advisory lock between drawing an assignee and taking somebody out of the draw.
_DRAW_LOCK = 7_201


def draw_one(session: Session, random: Random) -> UUID:
    """One of the crowd, each as likely, without reading the crowd. Raises NobodyToAssign."""
    _enter_the_draw(session)
    size = session.scalar(select(func.count()).select_from(User).where(CAN_BE_ASSIGNED)) or 0
    place = draw_position(size, random)
    in_order = select(User.user_id).where(CAN_BE_ASSIGNED).order_by(User.user_id)
    return session.scalars(in_order.offset(place).limit(1)).one()


def read_crowd(session: Session) -> Sequence[UUID]:
    """Everyone who can be assigned now."""
    _enter_the_draw(session)
    return session.scalars(select(User.user_id).where(CAN_BE_ASSIGNED).order_by(User.user_id)).all()


def is_first_to_assign(session: Session, user_id: UUID) -> bool:
    """Tell whether nobody but this person can be assigned a task."""
    others = select(User.user_id).where(CAN_BE_ASSIGNED, User.user_id != user_id).limit(1)
    return session.scalar(others) is None


def close_the_draw(session: Session) -> None:
    """Wait for the draws under way, and let none begin before this transaction ends.

    Who takes somebody out of the draw calls this first. Without it a task could be given to a person in the very
    moment of their block, unseen by the run that takes their tasks away.
    """
    session.execute(select(func.pg_advisory_xact_lock(_DRAW_LOCK)))


def _enter_the_draw(session: Session) -> None:
    session.execute(select(func.pg_advisory_xact_lock_shared(_DRAW_LOCK)))
