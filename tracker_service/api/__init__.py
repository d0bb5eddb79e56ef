"""The REST API of the tracker, under /api/v1."""

from tracker_service.api.reassignments import reassignments
from tracker_service.api.summary import summary
from tracker_service.api.tasks import tasks

__all__ = ["reassignments", "summary", "tasks"]
