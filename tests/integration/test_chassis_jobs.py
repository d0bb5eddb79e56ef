"""What a scheduler does is written down where the pages of operators read it, and it does what they ask for."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import NoReturn

import pytest
from sqlalchemy import event, func, update
from sqlalchemy.exc import OperationalError

from chassis.db import Database
from chassis.scheduled_jobs import ScheduledJob, list_jobs, request_run
from chassis.scheduler import JobScheduler, build_scheduler
from chassis.settings import Settings
from tests.waiting import eventually


@pytest.fixture
def scheduler(migrated: Callable[..., Settings]) -> Iterator[tuple[JobScheduler, Database]]:
    settings = migrated("tracker")
    database = Database(settings)
    made = build_scheduler(settings, database)
    yield made, database
    made.shutdown()
    database.engine.dispose()


def start(made: JobScheduler) -> None:
    threading.Thread(target=made.start, daemon=True).start()


def job(database: Database, name: str) -> ScheduledJob | None:
    with database.reading() as session:
        return next((job for job in list_jobs(session) if job.name == name), None)


def test_each_job_is_known_with_what_it_does_and_when_it_is_due(scheduler: tuple[JobScheduler, Database]) -> None:
    made, database = scheduler
    made.add_job(print, "interval", hours=6, id="rare", name="Prints nothing")
    start(made)
    eventually(lambda: job(database, "rare") is not None)
    rare = job(database, "rare")
    assert rare
    assert (rare.words, rare.every_seconds, rare.outcome) == ("Prints nothing", 6 * 3600, None)
    assert rare.next_run_at is not None
    assert job(database, "heartbeat") is None


def test_who_asks_for_a_run_gets_one_and_is_told_how_it_went(scheduler: tuple[JobScheduler, Database]) -> None:
    made, database = scheduler

    def fail() -> None:
        raise RuntimeError("no seeds left")

    made.add_job(fail, "interval", hours=6, id="rare")
    start(made)
    eventually(lambda: job(database, "rare") is not None)
    with database.transaction() as session:
        request_run(session, "rare", by="Ara")
    eventually(lambda: (found := job(database, "rare")) is not None and found.outcome == "failed", timeout=30)
    rare = job(database, "rare")
    assert rare
    assert (rare.detail, rare.requested_at, rare.requested_by) == ("RuntimeError: no seeds left", None, None)


def request_at(database: Database, hours: int) -> None:
    """Ask for a run, by a clock of the database that is so many hours ahead of ours."""
    with database.transaction() as session:
        request_run(session, "rare", by="Ara")
        session.execute(update(ScheduledJob).values(requested_at=func.now() + timedelta(hours=hours)))


def is_answered(database: Database) -> bool:
    rare = job(database, "rare")
    return rare is not None and rare.requested_at is None


def test_a_request_is_answered_once_although_the_clock_of_the_database_is_ahead(
    scheduler: tuple[JobScheduler, Database],
) -> None:
    made, database = scheduler
    made.remove_job("forget_old_messages")
    made.add_job(print, "interval", hours=6, id="rare")
    start(made)
    eventually(lambda: job(database, "rare") is not None)
    request_at(database, hours=1)
    eventually(lambda: is_answered(database), timeout=30)


def test_a_request_during_a_run_gets_another_one_although_the_clock_of_the_database_is_behind(
    scheduler: tuple[JobScheduler, Database],
) -> None:
    made, database = scheduler
    made.remove_job("forget_old_messages")
    runs, go_on = list[int](), threading.Event()

    def run() -> None:
        runs.append(1)
        go_on.wait()

    made.add_job(run, "interval", hours=6, id="rare")
    start(made)
    eventually(lambda: job(database, "rare") is not None)
    request_at(database, hours=0)
    eventually(lambda: len(runs) == 1, timeout=30)
    with database.transaction() as session:
        session.execute(update(ScheduledJob).values(requested_at=None))
    request_at(database, hours=-1)
    go_on.set()
    eventually(lambda: len(runs) == 2 and is_answered(database), timeout=30)


def test_jobs_become_known_although_the_database_fails_at_first(scheduler: tuple[JobScheduler, Database]) -> None:
    made, database = scheduler
    made.remove_job("forget_old_messages")
    failed = threading.Event()

    def fail(_connection: object) -> NoReturn:
        failed.set()
        raise OperationalError("COMMIT", {}, Exception("gone"))

    made.add_job(print, "interval", hours=6, id="rare")
    event.listen(database.engine, "commit", fail)
    start(made)
    assert failed.wait(30)
    event.remove(database.engine, "commit", fail)
    eventually(lambda: job(database, "rare") is not None, timeout=30)
