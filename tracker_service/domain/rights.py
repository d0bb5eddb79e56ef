"""Who may do what with tasks. Reading one task by its id is everybody's right: billing shows titles anyway."""

from uuid import UUID

_OVERSEERS = frozenset({"manager", "admin"})


def may_reassign(role: str) -> bool:
    """The one button of managers and administrators."""
    return role in _OVERSEERS


def may_list_tasks_of(assignee_id: UUID, *, viewer_id: UUID, role: str) -> bool:
    """Everyone lists their own tasks; managers and administrators anybody's."""
    return assignee_id == viewer_id or role in _OVERSEERS


def may_list_all(role: str) -> bool:
    """Managers and administrators see all tasks."""
    return role in _OVERSEERS


def may_edit(*, creator_id: UUID, assignee_id: UUID, editor_id: UUID, role: str) -> bool:
    """Who wrote a task, who works on it, and who watches over all of them."""
    return editor_id in (creator_id, assignee_id) or role in _OVERSEERS
