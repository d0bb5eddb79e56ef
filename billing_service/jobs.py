"""What billing does by the clock. The clock only wakes: what is due stands in the database."""

from datetime import date

import structlog
from apscheduler.schedulers.base import BaseScheduler
from prometheus_client import Gauge

from billing_service import commands, queries
from billing_service.config import BillingSettings
from billing_service.errors import TooManyDays
from billing_service.mail import Letter, MailError, Post, PostIsAway, open_post
from chassis.db import Database, utc_now
from chassis.errors import N_
from chassis.scheduler import JobWaits, JobWaitsForPerson

PROBLEMS = Gauge("books_problems", "What the robot found wrong with the books when it last looked")
UNCONFIRMED = Gauge("books_days_unconfirmed", "Days that are over, too many to be closed before a person confirms")

#: Seconds. A day may be closed by any process: this is how long its letters wait for the sender to see them.
_LOOK_FOR_LETTERS = 5

_log = structlog.get_logger(__name__)


def add_jobs(scheduler: BaseScheduler, settings: BillingSettings, database: Database) -> None:
    """Add billing's jobs to its scheduler: they look right away, and then again and again."""
    now = utc_now()
    scheduler.add_job(
        close_days,
        "interval",
        minutes=1,
        next_run_time=now,
        args=[database],
        id="close_days",
        name=N_("Closes the days that are over, and checks the latest"),
    )
    scheduler.add_job(
        send_letters,
        "interval",
        seconds=_LOOK_FOR_LETTERS,
        next_run_time=now,
        args=[settings, database],
        id="send_letters",
        name=N_("Sends the letters about payouts"),
    )


def close_days(database: Database) -> None:
    """Close every day that is over, the oldest first, each with its own balances; then check the latest.

    Safe to run at any time and beside itself: a day is closed once, and a day that is not over is left alone.
    Raises JobWaitsForPerson when so many are over that a person has to confirm them.
    """
    with database.transaction() as session:
        if not commands.start_run(session):
            _log.warning("last_robot_run_did_not_finish")
    too_many = _close_days_over(database)
    UNCONFIRMED.set(too_many.number if too_many else 0)
    _check_latest(database)
    if too_many:
        raise JobWaitsForPerson(str(too_many))


def close_days_up_to(database: Database, day: date | None = None, *, confirmed_from: date | None = None) -> list[date]:
    """Close the day and all before it, each in a transaction of its own; return those that were closed just now.

    The arguments and what is raised are those of `commands.close_next_day`.
    """
    closed: list[date] = []
    while True:
        with database.transaction() as session:
            books = commands.open_books(session)
            next_day = commands.close_next_day(session, books, up_to=day, confirmed_from=confirmed_from)
        if next_day is None:
            return closed
        _log.info("day_closed", day=str(next_day))
        closed.append(next_day)


def send_letters(settings: BillingSettings, database: Database) -> None:
    """Send every letter that is due. Raises JobWaits when nobody is there to take them."""
    with open_post(settings.smtp_url, settings.letters_dir, settings.mail_from) as post:
        with database.transaction() as session:
            commands.recover_letters(session, repeatable=post.repeatable)
            due = queries.letter_is_due(session)
        try:
            while due:
                due = send_next_letter(database, post)
        except PostIsAway as error:
            raise JobWaits(str(error)) from error


def send_next_letter(database: Database, post: Post) -> bool:
    """Send the letter that has waited longest; tell whether there was one. Raises PostIsAway."""
    post.connect()
    with database.transaction() as session:
        claim = commands.claim_letter(session, post.lease)
    if claim is None:
        return False
    failure = _deliver(post, claim.letter)
    with database.transaction() as session:
        commands.finish_letter(session, claim, failure)
    if isinstance(failure, PostIsAway):
        raise failure
    return True


def _deliver(post: Post, letter: Letter) -> MailError | None:
    try:
        post.deliver(letter)
    except MailError as error:
        if not isinstance(error, PostIsAway):  # of which the job tells, and once
            _log.warning("letter_not_sent", payout=str(letter.payout_id), because=type(error).__name__)
        return error
    return None


def _close_days_over(database: Database) -> TooManyDays | None:
    try:
        close_days_up_to(database)
    except TooManyDays as error:
        return error
    return None


def _check_latest(database: Database) -> None:
    with database.transaction() as session:
        day = queries.last_closed_day(session)
        problems = [] if day is None else queries.verify_day(session, day)
        commands.finish_run(session, checked_day=day, problems=[str(problem) for problem in problems])
    PROBLEMS.set(len(problems))
    if problems:
        _log.error("books_do_not_balance", day=str(day), problems=[str(problem) for problem in problems])
