"""What pages and the API show, in a fixed number of statements however many tasks there are."""

from tracker_service.queries.history import HistoryItem, history
from tracker_service.queries.news import News, news
from tracker_service.queries.own import DayMoney, DoneDay, OwnState, current_day, day_money, done_by_day, own_state
from tracker_service.queries.reassignments import Overview, overview, reassignment
from tracker_service.queries.tasks import own_done_tasks, own_open_tasks, task, tasks_by_ids, tasks_of

__all__ = [
    "DayMoney",
    "DoneDay",
    "HistoryItem",
    "News",
    "Overview",
    "OwnState",
    "current_day",
    "day_money",
    "done_by_day",
    "history",
    "news",
    "overview",
    "own_done_tasks",
    "own_open_tasks",
    "own_state",
    "reassignment",
    "task",
    "tasks_by_ids",
    "tasks_of",
]
