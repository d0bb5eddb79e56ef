"""Who gets a task: everyone who can be assigned is equally likely."""

from collections.abc import Sequence
from random import Random
from uuid import UUID

from tracker_service.errors import NobodyToAssign

#: Managers and administrators are the only ones who are never assigned a task.
NEVER_ASSIGNED = ("manager", "admin")


def can_be_assigned(*, role: str, status: str) -> bool:
    """Who is active and no manager or administrator: accountants and bosses can be, too."""
    return status == "active" and role not in NEVER_ASSIGNED


def draw_position(crowd: int, random: Random) -> int:
    """The place, counted from 0, of the one drawn from a crowd of that size. NobodyToAssign when it is empty."""
    if crowd < 1:
        raise NobodyToAssign
    return random.randrange(crowd)


def draw_assignees(crowd: Sequence[UUID], tasks: int, random: Random) -> list[UUID]:
    """One assignee for each task, each drawn independently: the present assignee may be drawn again."""
    if not crowd:
        raise NobodyToAssign
    return random.choices(crowd, k=tasks)
