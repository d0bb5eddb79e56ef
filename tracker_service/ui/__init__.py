"""The pages of the tracker. They call the same commands and queries as the API."""

from tracker_service.ui import own_tasks, reassignments, task
from tracker_service.ui.frame import pages

__all__ = ["own_tasks", "pages", "reassignments", "task"]
