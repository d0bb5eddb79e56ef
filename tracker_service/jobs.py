"""What the tracker does by the clock."""

from apscheduler.schedulers.blocking import BlockingScheduler

from chassis.db import Database, utc_now
from chassis.settings import Settings
from tracker_service import commands


def add_jobs(scheduler: BlockingScheduler, _settings: Settings, database: Database) -> None:
    """Add the tracker's jobs to its scheduler."""
    scheduler.add_job(forget_old_keys, "interval", hours=6, args=[database], id="forget_old_keys")


def forget_old_keys(database: Database) -> None:
    """Delete the Idempotency-Keys that nobody will send again."""
    with database.transaction() as session:
        commands.forget_old_keys(session, now=utc_now())
