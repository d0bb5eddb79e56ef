"""What auth does by the clock."""

from apscheduler.schedulers.base import BaseScheduler

from auth_service import commands
from auth_service.models import RequestKey
from chassis.db import Database, utc_now
from chassis.errors import N_
from chassis.request_keys import forget_old_keys
from chassis.settings import Settings


def add_jobs(scheduler: BaseScheduler, _settings: Settings, database: Database) -> None:
    """Add auth's jobs to its scheduler."""
    scheduler.add_job(
        forget_expired,
        "interval",
        minutes=10,
        args=[database],
        id="forget_expired",
        name=N_("Deletes codes, refusals and keys whose time is over"),
    )


def forget_expired(database: Database) -> None:
    """Delete codes and revocations that nobody can use any more, and refusals and Idempotency-Keys that are old."""
    with database.transaction() as session:
        commands.forget_expired(session, now=utc_now())
        commands.forget_refusals(session, now=utc_now())
        forget_old_keys(session, RequestKey, now=utc_now())
