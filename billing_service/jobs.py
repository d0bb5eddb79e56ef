"""What billing does by the clock. The clock only wakes: what is due stands in the database."""

from datetime import date, datetime

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
    scheduler.add_job(close_days, "interval", minutes=1, next_run_time=now, args=[settings, database], id="close_days")
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
    today = business_day.today(now, settings.business_timezone)
    close_days_up_to(database, business_day.last_day_over(today), now=now)
    _check_latest(database)


def close_days_up_to(database: Database, day: date, *, now: datetime) -> list[date]:
    """Close the day and all before it, each in a transaction of its own; return those that were closed just now.

    Raises FutureDay.
    """
    closed: list[date] = []
    while True:
        with database.transaction() as session:
            next_day = commands.close_next_day(session, commands.open_books(session, now=now), up_to=day)
        if next_day is None:
            return closed
        _log.info("day_closed", day=str(next_day))
        closed.append(next_day)


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
