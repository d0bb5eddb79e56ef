"""What pages and the API show, in a fixed number of statements however many tasks there are."""

from tracker_service.queries.history import HistoryItem, history
from tracker_service.queries.lists import Counts, count_tasks, list_tasks, list_version, people_named
from tracker_service.queries.news import News, news
from tracker_service.queries.own import DayMoney, DoneDay, OwnState, current_day, day_money, done_by_day, own_state
from tracker_service.queries.reassignments import (
    Preview,
    Reassigned,
    overview,
    preview,
    reassigned,
    reassignment,
    reassignments,
)
from tracker_service.queries.tasks import count_edits, count_open, own_done_tasks, own_open_tasks, task, task_version

__all__ = [
    "Counts",
    "DayMoney",
    "DoneDay",
    "HistoryItem",
    "News",
    "OwnState",
    "Preview",
    "Reassigned",
    "count_edits",
    "count_open",
    "count_tasks",
    "current_day",
    "day_money",
    "done_by_day",
    "history",
    "list_tasks",
    "list_version",
    "news",
    "overview",
    "own_done_tasks",
    "own_open_tasks",
    "own_state",
    "people_named",
    "preview",
    "reassigned",
    "reassignment",
    "reassignments",
    "task",
    "task_version",
]
