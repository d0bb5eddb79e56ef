"""The scheduler wakes robots late rather than never."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers.blocking import BlockingScheduler

from chassis.db import Database, utc_now
from chassis.scheduler import JOBS, build_scheduler
from tests.chassis_parts import settings
from tests.waiting import eventually

#: The scheduler, and the thread that runs it once it is started.
Scheduled = tuple[BlockingScheduler, threading.Thread]


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Scheduled]:
    given = settings(tmp_path)
    made = build_scheduler(given, Database(given))
    thread = threading.Thread(target=made.start)
    yield made, thread
    made.shutdown()
    thread.join()


def test_a_job_that_is_an_hour_late_still_runs(scheduler: Scheduled) -> None:
    made, thread = scheduler
    ran = threading.Event()
    made.add_job(ran.set, "date", run_date=utc_now() - timedelta(hours=1))
    thread.start()
    assert ran.wait(10)
    eventually(lambda: len(made.get_jobs()) == 1)  # the scheduler has put the job away: it may be shut down


def test_a_job_that_fails_is_counted_and_the_others_go_on(
    scheduler: Scheduled,
) -> None:
    made, thread = scheduler
    ran = threading.Event()
    made.add_job(lambda: 1 / 0, "date", run_date=utc_now() - timedelta(minutes=2), id="broken")
    made.add_job(ran.set, "date", run_date=utc_now() - timedelta(minutes=1), id="sound")
    thread.start()
    assert ran.wait(10)
    eventually(lambda: JOBS.labels("tracker", "broken", "failed")._value.get() == 1)
    eventually(lambda: len(made.get_jobs()) == 1)


def test_the_clock_of_the_jobs_is_that_of_the_business(
    scheduler: Scheduled,
) -> None:
    made, thread = scheduler
    thread.start()
    assert str(made.timezone) == "Europe/Moscow"
    assert [job.id for job in made.get_jobs()] == ["forget_old_messages"]
