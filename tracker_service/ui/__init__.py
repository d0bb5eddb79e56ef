"""The pages of the tracker. They call the same commands and queries as the API."""

from tracker_service.ui import lists, own_tasks, reassignments, task
from tracker_service.ui.frame import PLACES, pages

__all__ = ["PLACES", "lists", "own_tasks", "pages", "reassignments", "task"]
