"""What pages and the API show, in a fixed number of statements however many tasks there are."""

from tracker_service.queries.history import HistoryItem, history
from tracker_service.queries.reassignments import (
    Overview,
    Preview,
    Reassigned,
    overview,
    preview,
    reassigned,
    reassignment,
    reassignments,
)
from tracker_service.queries.tasks import count_open, own_tasks, task, tasks_by_ids, tasks_of

__all__ = [
    "HistoryItem",
    "Overview",
    "Preview",
    "Reassigned",
    "count_open",
    "history",
    "overview",
    "own_tasks",
    "preview",
    "reassigned",
    "reassignment",
    "reassignments",
    "task",
    "tasks_by_ids",
    "tasks_of",
]
