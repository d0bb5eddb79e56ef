"""Which tasks somebody wants to see, and whether they may."""

from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from tracker_service.domain.rights import may_list_all, may_list_tasks_of
from tracker_service.errors import N_, ContradictoryScope, NotYoursToList

MINE, CREATED, ALL = "mine", "created", "all"
SCOPES = (MINE, CREATED, ALL)

#: What a list is sorted by; with a minus in front in falling order.
SORT_KEYS = ("created", "completed", "fee", "reward", "title")
SORTS = (*SORT_KEYS, *(f"-{key}" for key in SORT_KEYS))
NEWEST_FIRST = "-created"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The tasks that fit every condition which is not None, in this order."""

    #: Of one of these people.
    assignee_ids: tuple[UUID, ...] | None = None
    author_ids: tuple[UUID, ...] | None = None
    ids: tuple[UUID, ...] | None = None
    status: str | None = None
    #: What title, Jira key or description have somewhere, however it is capitalised.
    text: str | None = None
    #: The whole key, however it is capitalised.
    jira_id: str | None = None
    #: Created on these business days, both included.
    first: date | None = None
    last: date | None = None
    sort: str = NEWEST_FIRST


def within_scope(wanted: Wanted, scope: str | None, *, viewer_id: UUID, role: str) -> Wanted:
    """Return the wanted tasks as far as they are in the scope. Raises NotYoursToList, ContradictoryScope.

    Without a scope they are those of the assignee; by ids everybody's; and else one's own.
    """
    if scope is None:
        scope = ALL if wanted.ids is not None or wanted.assignee_ids is not None else MINE
        if wanted.assignee_ids is not None:
            _check_may_list(wanted.assignee_ids, viewer_id, role)
        return wanted if scope == ALL else replace(wanted, assignee_ids=(viewer_id,))
    if scope == ALL:
        if not may_list_all(role):
            raise NotYoursToList
        return wanted
    if scope == MINE:
        if wanted.assignee_ids not in (None, (viewer_id,)):
            raise ContradictoryScope("assignee", N_("The assignee of your own tasks is always you."))
        return replace(wanted, assignee_ids=(viewer_id,))
    if wanted.author_ids not in (None, (viewer_id,)):
        raise ContradictoryScope("author", N_("The author of the tasks that you created is always you."))
    return replace(wanted, author_ids=(viewer_id,))


def _check_may_list(assignee_ids: tuple[UUID, ...], viewer_id: UUID, role: str) -> None:
    if not all(may_list_tasks_of(assignee_id, viewer_id=viewer_id, role=role) for assignee_id in assignee_ids):
        raise NotYoursToList
