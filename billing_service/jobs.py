"""What billing does by the clock. The clock only wakes: what is due stands in the database."""

import structlog
from apscheduler.schedulers.blocking import BlockingScheduler
from prometheus_client import Gauge

from billing_service import commands, queries
from billing_service.config import BillingSettings
from billing_service.domain import business_day
from billing_service.mail import Post, open_post
from chassis.db import Database, utc_now

PROBLEMS = Gauge("books_problems", "What the robot found wrong with the books when it last looked")

_log = structlog.get_logger(__name__)


def add_jobs(scheduler: BlockingScheduler, settings: BillingSettings, database: Database) -> None:
    """Add billing's jobs to its scheduler: both look every minute, and right away."""
    now = utc_now()
    scheduler.add_job(
        close_days, "interval", minutes=1, next_run_time=now, args=[settings, database], id="close_days"
    )
    scheduler.add_job(
        send_letters, "interval", minutes=1, next_run_time=now, args=[settings, database], id="send_letters"
    )


def close_days(settings: BillingSettings, database: Database) -> None:
    """Close every day that is over, the oldest first, each with its own balances; then check the latest.

    Safe to run at any time and beside itself: a day is closed once, and a day that is not over is left alone.
    """
    now = utc_now()
    with database.transaction() as session:
        if not commands.start_run(session, now=now):
            _log.warning("last_robot_run_did_not_finish")
    last_day_over = business_day.last_day_over(business_day.today(now, settings.business_timezone))
    while True:
        with database.transaction() as session:
            closed = commands.close_next_day(session, commands.open_books(session, now=now), up_to=last_day_over)
        if closed is None:
            break
        _log.info("day_closed", day=str(closed))
    _check_latest(database)


def send_letters(settings: BillingSettings, database: Database) -> None:
    """Send every letter that is due, each in a transaction of its own."""
    with open_post(settings.smtp_url, settings.letters_dir, settings.mail_from) as post:
        while _send_one(database, post):
            pass


def _send_one(database: Database, post: Post) -> bool:
    with database.transaction() as session:
        return commands.send_next_letter(session, post, now=utc_now())


def _check_latest(database: Database) -> None:
    with database.transaction() as session:
        day = queries.last_closed_day(session)
        problems = [] if day is None else queries.verify_day(session, day)
        commands.finish_run(session, now=utc_now(), checked_day=day, problems=[str(problem) for problem in problems])
    PROBLEMS.set(len(problems))
    if problems:
        _log.error("books_do_not_balance", day=str(day), problems=[str(problem) for problem in problems])
