"""What a scheduler does is written down where the pages of operators read it, and it does what they ask for."""

import threading
from collections.abc import Callable, Iterator

import pytest

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
