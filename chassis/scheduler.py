"""The process that wakes the robots of a service. It decides nothing: what is due stands in the database."""

from datetime import timedelta

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, JobExecutionEvent
from apscheduler.schedulers.blocking import BlockingScheduler
from prometheus_client import Counter

from chassis.db import Database
from chassis.settings import Settings
from messaging import delete_handled, delete_published

JOBS = Counter("jobs", "Jobs that ran", ("service", "job", "outcome"))

#: The inbox remembers events for longer than the outbox keeps them, or a replay could apply one twice.
_INBOX_LONGER = timedelta(days=30)

_log = structlog.get_logger(__name__)


def build_scheduler(settings: Settings, database: Database) -> BlockingScheduler:
    """Return a scheduler in the business time zone, with the clean-up that every service needs already in it."""
    scheduler = BlockingScheduler(
        timezone=settings.business_timezone,
        job_defaults={
            # By default a job that is more than a second late is dropped without a word.
            "misfire_grace_time": None,
            "coalesce": True,
            "max_instances": 1,
        },
    )

    def count(event: JobExecutionEvent) -> None:
        JOBS.labels(settings.service, event.job_id, "failed" if event.exception else "done").inc()

    scheduler.add_listener(count, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.add_job(forget_old_messages, "interval", hours=1, args=[settings, database], id="forget_old_messages")
    return scheduler


def forget_old_messages(settings: Settings, database: Database) -> None:
    """Delete published events and handled ids whose time is over, a small batch in each transaction."""
    for delete, age in ((delete_published, settings.retention), (delete_handled, settings.retention + _INBOX_LONGER)):
        total = 0
        while True:
            with database.transaction() as session:
                deleted = delete(session, older_than=age)
            total += deleted
            if not deleted:
                break
        if total:
            _log.info("old_messages_forgotten", what=delete.__name__, rows=total)
