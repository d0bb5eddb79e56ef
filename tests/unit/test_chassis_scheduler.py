"""The scheduler wakes robots late rather than never, and tells how they fare."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NoReturn
from uuid import UUID

import pytest
import structlog
from prometheus_client import REGISTRY
from sqlalchemy.exc import OperationalError

from chassis.conditions import WAITING_FOR_PERSON
from chassis.db import Database, utc_now
from chassis.scheduler import (
    FAILING,
    JOB_SECONDS,
    JOBS,
    LAST_DONE,
    JobScheduler,
    JobWaits,
    JobWaitsForPerson,
    build_scheduler,
)
from messaging import current_context
from tests.chassis_parts import settings
from tests.waiting import eventually

#: The scheduler, and the thread that runs it once it is started.
Scheduled = tuple[JobScheduler, threading.Thread]

EVERY_SERVICE_HAS = ["forget_old_messages", "heartbeat"]


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Scheduled]:
    for counted in (JOBS, JOB_SECONDS, FAILING, LAST_DONE):
        counted.clear()  # the whole process counts in them, whichever tests ran in it before
    given = settings(tmp_path)
    made = build_scheduler(given, Database(given))
    thread = threading.Thread(target=made.start)
    yield made, thread
    if thread.ident is not None:  # a test that failed may not have come to start it
        made.shutdown()
        thread.join()


def jobs(made: JobScheduler) -> list[str]:
    """Once only these are left, the scheduler has put the others away: it may be shut down."""
    return sorted(job.id for job in made.get_jobs())


def number(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"service": "tracker", **labels})


def test_a_job_that_is_an_hour_late_still_runs(scheduler: Scheduled) -> None:
    made, thread = scheduler
    ran = threading.Event()
    made.add_job(ran.set, "date", run_date=utc_now() - timedelta(hours=1))
    thread.start()
    assert ran.wait(10)
    eventually(lambda: jobs(made) == EVERY_SERVICE_HAS)


def test_a_job_that_fails_is_counted_and_said_and_the_others_go_on(scheduler: Scheduled) -> None:
    made, thread = scheduler
    ran = threading.Event()
    with structlog.testing.capture_logs() as lines:
        made.add_job(lambda: 1 / 0, "date", run_date=utc_now() - timedelta(minutes=2), id="broken")
        made.add_job(ran.set, "date", run_date=utc_now() - timedelta(minutes=1), id="sound")
        thread.start()
        assert ran.wait(10)
        eventually(lambda: number("scheduler_jobs_total", job="broken", outcome="failed") == 1)
        eventually(lambda: number("scheduler_jobs_total", job="sound", outcome="done") == 1)
    assert [line["event"] for line in lines if line.get("job") == "broken"] == ["job_failed"]
    assert number("scheduler_job_duration_seconds_count", job="broken") == 1
    eventually(lambda: number("scheduler_job_last_done_timestamp_seconds", job="sound"))
    assert number("scheduler_job_last_done_timestamp_seconds", job="broken") is None
    assert [number("scheduler_job_failing", job=job) for job in ("broken", "sound")] == [1, 0]
    eventually(lambda: jobs(made) == EVERY_SERVICE_HAS)


def test_a_job_is_counted_from_the_moment_it_is_known_so_that_its_first_failure_is_an_increase(
    scheduler: Scheduled,
) -> None:
    made, thread = scheduler
    made.add_job(print, "interval", hours=6, id="rare")
    for outcome in ("done", "failed", "skipped"):
        assert number("scheduler_jobs_total", job="rare", outcome=outcome) == 0
    assert number("scheduler_job_failing", job="rare") == 0
    thread.start()
    eventually(lambda: made.health.doing != "starting")


def test_a_job_that_failed_is_no_longer_failing_once_it_is_done(scheduler: Scheduled) -> None:
    made, thread = scheduler
    mended, failed = threading.Event(), threading.Event()

    def work() -> None:
        if not mended.is_set():
            failed.set()
            raise ValueError

    made.add_job(work, "interval", seconds=0.05, next_run_time=utc_now(), id="mended")
    thread.start()
    assert failed.wait(10)
    eventually(lambda: number("scheduler_job_failing", job="mended") == 1)
    mended.set()
    eventually(lambda: number("scheduler_job_failing", job="mended") == 0)
    made.remove_job("mended")


def test_what_a_job_waits_for_is_said_once_and_so_is_that_it_goes_on(scheduler: Scheduled) -> None:
    made, thread = scheduler
    answers: Iterator[str] = iter([*["nobody is there"] * 3, "", "", *["nobody is there"] * 2, "nobody is let in", ""])
    over = threading.Event()

    def work() -> None:
        answer = next(answers, None)
        if answer is None:
            over.set()
        elif answer:
            raise JobWaits(answer)

    with structlog.testing.capture_logs() as lines:
        made.add_job(work, "interval", seconds=0.01, next_run_time=utc_now(), id="patient")
        thread.start()
        assert over.wait(30)
        made.remove_job("patient")
    assert [(line["event"], line.get("reason")) for line in lines if line.get("job") == "patient"] == [
        ("job_waits", "nobody is there"),
        ("job_goes_on", None),
        ("job_waits", "nobody is there"),
        ("job_waits", "nobody is let in"),
        ("job_goes_on", None),
    ]


def test_a_job_that_waits_for_a_person_makes_the_scheduler_not_ready_until_it_is_done(
    scheduler: Scheduled, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, thread = scheduler
    done = threading.Event()
    made.remove_job("heartbeat")
    monkeypatch.setattr("chassis.scheduler._HEARTBEAT", 0.05)
    made.add_heartbeat(lambda: True)

    def work() -> None:
        if not done.is_set():
            raise JobWaitsForPerson("say yes")

    made.add_job(work, "interval", seconds=0.05, next_run_time=utc_now(), id="asking")
    thread.start()
    eventually(lambda: made.health.doing == f"{WAITING_FOR_PERSON}: say yes")
    assert not made.health.ready
    eventually(lambda: number("scheduler_job_failing", job="asking") == 1)
    done.set()
    eventually(lambda: made.health.ready)
    made.remove_job("asking")


def test_a_job_that_is_due_while_it_still_runs_is_counted_as_skipped(scheduler: Scheduled) -> None:
    made, thread = scheduler
    done = threading.Event()
    made.add_job(done.wait, "interval", seconds=0.05, next_run_time=utc_now(), id="endless")
    thread.start()
    try:
        eventually(lambda: number("scheduler_jobs_total", job="endless", outcome="skipped"))
        eventually(lambda: number("scheduler_job_failing", job="endless") == 1)
    finally:
        made.remove_job("endless")
        done.set()


def test_a_job_that_hangs_and_one_that_raises_keep_neither_others_nor_the_sign_of_life_from_going_on(
    scheduler: Scheduled, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, thread = scheduler
    released, hanging, beats, runs = threading.Event(), threading.Event(), list[int](), list[int]()

    def hang() -> None:
        hanging.set()
        released.wait()

    def beat() -> bool:
        beats.append(1)
        return True

    made.remove_job("heartbeat")
    monkeypatch.setattr("chassis.scheduler._HEARTBEAT", 0.05)
    made.add_heartbeat(beat)
    made.add_job(hang, "date", id="hanging")
    made.add_job(lambda: 1 / 0, "interval", seconds=0.05, id="raising")
    made.add_job(lambda: runs.append(1), "interval", seconds=0.05, id="sound")
    thread.start()
    try:
        assert hanging.wait(10)
        seen = len(beats), len(runs)
        eventually(lambda: len(beats) > seen[0] + 2 and len(runs) > seen[1] + 2)
        assert made.health.ready
    finally:
        released.set()
        for name in ("raising", "sound"):
            made.remove_job(name)


def test_a_database_that_does_not_answer_is_asked_nothing_more(
    scheduler: Scheduled, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, thread = scheduler
    beats, asked = list[int](), list[int]()

    def beat() -> bool:
        beats.append(1)
        return False

    def ask() -> NoReturn:
        asked.append(1)
        raise OperationalError("SELECT", {}, Exception("no answer"))

    made.remove_job("heartbeat")
    made.remove_job("forget_old_messages")
    monkeypatch.setattr(made._database, "transaction", ask)
    monkeypatch.setattr("chassis.scheduler._HEARTBEAT", 0.05)
    made.add_heartbeat(beat)
    thread.start()
    eventually(lambda: len(beats) > 3)
    assert asked == []


def test_what_one_run_of_a_job_sets_off_belongs_together(scheduler: Scheduled) -> None:
    made, thread = scheduler
    seen: list[UUID | None] = []
    made.add_job(
        lambda: seen.extend(current_context().correlation_id for _ in range(2)),
        "interval",
        seconds=0.05,
        next_run_time=utc_now(),
        id="twice",
    )
    thread.start()
    eventually(lambda: len(seen) >= 4)
    made.remove_job("twice")
    assert seen[0] == seen[1]
    assert seen[2] == seen[3]
    assert len({None, seen[0], seen[2]}) == 3


def test_its_condition_says_that_it_is_at_work_and_waits_for_its_database(scheduler: Scheduled) -> None:
    made, thread = scheduler
    assert (made.health.ready, made.health.doing) == (False, "starting")
    thread.start()
    eventually(lambda: made.health.doing == "waiting for the database")
    assert not made.health.ready


def test_the_clock_of_the_jobs_is_that_of_the_business(scheduler: Scheduled) -> None:
    made, thread = scheduler
    thread.start()
    eventually(lambda: made.health.doing != "starting")
    assert str(made.timezone) == "Europe/Moscow"
    assert jobs(made) == EVERY_SERVICE_HAS
