"""What pages and the API show, in a fixed number of statements however many tasks there are."""

from tracker_service.queries.history import HistoryItem, history
from tracker_service.queries.lists import Counts, count_tasks, list_tasks, people_named
from tracker_service.queries.reassignments import Overview, overview, reassignment
from tracker_service.queries.tasks import count_open, own_tasks, task

__all__ = [
    "Counts",
    "HistoryItem",
    "Overview",
    "count_open",
    "count_tasks",
    "history",
    "list_tasks",
    "overview",
    "own_tasks",
    "people_named",
    "reassignment",
    "task",
]
