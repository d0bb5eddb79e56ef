"""What the tracker does by the clock."""

from apscheduler.schedulers.base import BaseScheduler

from chassis import request_keys
from chassis.db import Database, utc_now
from chassis.errors import N_
from chassis.settings import Settings
from tracker_service import commands
from tracker_service.models import RequestKey


def add_jobs(scheduler: BaseScheduler, _settings: Settings, database: Database) -> None:
    """Add the tracker's jobs to its scheduler."""
    scheduler.add_job(
        forget_old_keys,
        "interval",
        hours=1,
        args=[database],
        id="forget_old_keys",
        name=N_("Forgets keys of requests that are over"),
    )
    scheduler.add_job(
        look_after_reassignments,
        "interval",
        minutes=1,
        next_run_time=utc_now(),
        args=[database],
        id="look_after_reassignments",
        name=N_("Moves on reassignments that stand still, and assigns tasks that wait for somebody"),
    )


def forget_old_keys(database: Database) -> None:
    """Delete the Idempotency-Keys that count no longer."""
    with database.transaction() as session:
        request_keys.forget_old_keys(session, RequestKey, now=utc_now())


def look_after_reassignments(database: Database) -> None:
    """Give away the tasks that wait for somebody to assign, and move on the runs that stand still."""
    with database.transaction() as session:
        commands.give_away_waiting_tasks(session)
        commands.give_lost_turn(session)
        commands.ask_again(session, now=utc_now())
