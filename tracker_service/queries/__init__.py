"""What pages and the API show, in a fixed number of statements however many tasks there are."""

from tracker_service.queries.history import HistoryItem, history
from tracker_service.queries.reassignments import Overview, overview, reassignment
from tracker_service.queries.tasks import count_open, own_tasks, task, tasks_by_ids, tasks_of

__all__ = [
    "HistoryItem",
    "Overview",
    "count_open",
    "history",
    "overview",
    "own_tasks",
    "reassignment",
    "task",
    "tasks_by_ids",
    "tasks_of",
]
