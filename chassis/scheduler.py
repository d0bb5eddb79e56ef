"""What wakes the robots of a service. It decides nothing: what is due stands in the database."""

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import structlog
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent
from apscheduler.job import Job
from apscheduler.schedulers.background import BackgroundScheduler
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy.exc import DBAPIError, OperationalError

from chassis import scheduled_jobs
from chassis.conditions import WAITING_FOR_PERSON
from chassis.db import Database, utc_now
from chassis.errors import N_
from chassis.observe.state import answers
from chassis.scheduled_jobs import Plan
from chassis.settings import Settings
from chassis.tracing import Tracing
from messaging import Health, current_context, delete_handled, delete_published, message_context
from messaging.database import database_is_away
from messaging.dead_letters import delete_closed
from messaging.text import storable

_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

JOBS = Counter(
    "scheduler_jobs", "Jobs that were due: done, failed, or skipped because it still ran", ("service", "job", "outcome")
)
JOB_SECONDS = Histogram("scheduler_job_duration_seconds", "Time that jobs took", ("service", "job"), buckets=_BUCKETS)
FAILING = Gauge(
    "scheduler_job_failing", "1 if the job failed or was skipped when it was last due, otherwise 0", ("service", "job")
)
LAST_DONE = Gauge("scheduler_job_last_done_timestamp_seconds", "When a job was last done", ("service", "job"))
FORGOTTEN = Counter("messages_forgotten", "Rows whose time was over, deleted", ("service", "what"))

#: What is deleted when its time is over, and for how much longer than the settings say it is kept. The inbox remembers
#: events for longer than outbox and dead letters keep them, or a replay could apply one twice.
_FORGETTING: tuple[tuple[str, Callable[..., int], timedelta], ...] = (
    ("outbox", delete_published, timedelta()),
    ("dead_letter", delete_closed, timedelta()),
    ("inbox", delete_handled, timedelta(days=30)),
)
_OUTCOMES = ("done", "failed", "skipped")
#: Seconds between two signs of life.
_HEARTBEAT = 5

_log = structlog.get_logger(__name__)


class JobWaits(Exception):
    """Raised by a job that cannot do its work for a reason outside, which the text names. It counts as failed."""


class JobWaitsForPerson(JobWaits):
    """The work goes on when a person has done something. Until then the scheduler is not ready, and says so."""


class JobScheduler(BackgroundScheduler):  # type: ignore[misc]
    """A scheduler whose jobs are counted and timed, each run with a correlation id of its own."""

    def __init__(self, service: str, tracing: Tracing, database: Database, **options: Any) -> None:
        """Take whose jobs they are, and where it is kept how they went; `options` are those of APScheduler."""
        super().__init__(**options)
        self._service = service
        self._database = database
        #: Whether the database knows which jobs there are.
        self._known = False
        #: Those that are counted: not the heartbeat. A job must not ask the scheduler for them, which holds its locks
        #: while it waits for jobs to end.
        self._jobs: dict[str, Job] = {}
        #: Runs that people have asked for, and when, as the database said when it was last asked.
        self._requested: dict[str, datetime] = {}
        #: Held while a job runs.
        self._running: dict[str, threading.Lock] = {}
        self._tracing = tracing
        #: What a person has to do, by the job that waits for it.
        self._asked: dict[str, str] = {}
        #: What was last said of a job that waits: the same is said once, however often it is looked.
        self._said: dict[str, str] = {}
        #: Written by the heartbeat: it shows that the loop goes round and that there is a thread for a job.
        self.health = Health()
        self.add_listener(self._skipped, EVENT_JOB_MAX_INSTANCES)

    def add_job(self, func: Callable[..., object], *arguments: Any, **options: Any) -> Any:
        """See APScheduler. The job's id, or its function's name, labels what is counted; `name` says what it does."""
        name = options.setdefault("id", func.__name__)
        self._running[name] = threading.Lock()
        for outcome in _OUTCOMES:
            JOBS.labels(self._service, name, outcome)  # 0: a number that first appears as 1 is no increase
        FAILING.labels(self._service, name).set(0)
        self._jobs[name] = super().add_job(self._observed(name, func), *arguments, **options)
        return self._jobs[name]

    def add_heartbeat(self, is_ready: Callable[[], bool]) -> None:
        """Have the health say every few seconds whether jobs can do their work."""

        def beat() -> None:
            if not is_ready():
                self.health.turn("waiting for the database", ready=False)
                return  # it may not answer the next question either, and never
            if self._asked:
                self.health.turn(f"{WAITING_FOR_PERSON}: {' '.join(list(self._asked.values()))}", ready=False)
            else:
                self.health.turn("running jobs", ready=True)
            self._look_for_requests()

        super().add_job(beat, "interval", seconds=_HEARTBEAT, next_run_time=utc_now(), id="heartbeat")

    def _look_for_requests(self) -> None:
        """Have the jobs run at once of which somebody asked for a run."""
        self._requested = {}
        with self._although_unwritten():
            with self._database.transaction() as session:
                if not self._known:
                    scheduled_jobs.remember_jobs(session, [self._plan(name) for name in sorted(self._jobs)])
                requested = scheduled_jobs.requested_runs(session)
            self._known, self._requested = True, requested
        for name in self._jobs.keys() & self._requested:
            job = self._jobs[name]
            if not self._running[name].locked():
                threading.Thread(target=job.func, args=job.args, kwargs=job.kwargs, name=f"asked for: {name}").start()

    @contextmanager
    def _although_unwritten(self) -> Iterator[None]:
        """Go on although the database does not take what is to be written about jobs."""
        try:
            yield
        except DBAPIError as error:
            if not database_is_away(error):  # that is said by the heartbeat
                _log.exception("records_of_jobs_failed")

    def _plan(self, name: str) -> Plan:
        job = self._jobs[name]
        interval = getattr(job.trigger, "interval", None)
        return Plan(
            name=name,
            words=job.name,
            every_seconds=interval.total_seconds() if interval else None,
            next_run_at=getattr(job, "next_run_time", None),  # it has none before the scheduler is started
        )

    def _remember(self, name: str, outcome: str, detail: str, **began: datetime | None) -> None:
        ran: dict[str, Any] = {
            **began,
            "finished_at": utc_now(),
            "outcome": outcome,
            "detail": storable(detail),
        }
        with self._although_unwritten(), self._database.transaction() as session:
            scheduled_jobs.remember_run(session, self._plan(name), **ran)

    def _observed(self, name: str, work: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(work)
        def run(*arguments: Any, **options: Any) -> None:
            if not self._running[name].acquire(blocking=False):
                self._count(name, "skipped")
                return
            try:
                run_alone(*arguments, **options)
            finally:
                self._running[name].release()

        def run_alone(*arguments: Any, **options: Any) -> None:
            started, began = time.monotonic(), {"started_at": utc_now(), "answers": self._requested.get(name)}
            with message_context(correlation_id=uuid4()):
                outcome, detail = self._outcome(name, functools.partial(work, *arguments, **options))
            self._count(name, outcome)
            JOB_SECONDS.labels(self._service, name).observe(time.monotonic() - started)
            if outcome == "done":
                LAST_DONE.labels(self._service, name).set_to_current_time()
            self._remember(name, outcome, detail, **began)

        return run

    def _outcome(self, name: str, work: Callable[[], object]) -> tuple[str, str]:
        """Do the work; return how it went, and why it failed, which is logged too. The next run is due in any case."""
        correlation_id = current_context().correlation_id
        try:
            with (
                self._tracing.job(name) as trace,
                message_context(
                    correlation_id=correlation_id, traceparent=trace.traceparent, trace_event=trace.trace_event
                ),
            ):
                work()
            self._asked.pop(name, None)
        except OperationalError as error:
            detail = str(error.orig)
            self._say_once("job_waits_for_the_database", name, error=detail)
        except JobWaits as error:
            detail = str(error)
            if isinstance(error, JobWaitsForPerson):
                self._asked[name] = detail
            self._say_once("job_waits", name, reason=detail)
        except Exception as error:  # noqa: BLE001 (whatever it is, the other jobs go on)
            detail = f"{type(error).__name__}: {error}"
            self._said.pop(name, None)
            _log.exception("job_failed", job=name)
        else:
            if self._said.pop(name, None) is not None:
                _log.info("job_goes_on", job=name)
            return "done", ""
        return "failed", detail

    def _say_once(self, what: str, name: str, **why: str) -> None:
        said = f"{what} {why}"
        if self._said.get(name) != said:
            _log.warning(what, job=name, **why)
        self._said[name] = said

    def _skipped(self, event: JobSubmissionEvent) -> None:
        self._count(event.job_id, "skipped")

    def _count(self, name: str, outcome: str) -> None:
        JOBS.labels(self._service, name, outcome).inc()
        FAILING.labels(self._service, name).set(outcome != "done")


def build_scheduler(settings: Settings, database: Database, tracing: Tracing | None = None) -> JobScheduler:
    """Return a scheduler in the business time zone, with the clean-up that every service needs already in it."""
    scheduler = JobScheduler(
        settings.service,
        tracing or Tracing(),
        database,
        timezone=settings.business_timezone,
        job_defaults={
            # By default a job that is more than a second late is dropped without a word.
            "misfire_grace_time": None,
            "coalesce": True,
            "max_instances": 1,
        },
    )
    scheduler.add_heartbeat(lambda: answers(settings))
    scheduler.add_job(
        forget_old_messages,
        "interval",
        hours=1,
        next_run_time=utc_now(),  # or a process that is started anew every hour would never come to it
        args=[settings, database],
        id="forget_old_messages",
        name=N_("Deletes events and dead letters whose time is over"),
    )
    return scheduler


def forget_old_messages(settings: Settings, database: Database) -> None:
    """Delete published events, handled ids and closed dead letters whose time is over, a small batch a transaction."""
    for what, delete, longer in _FORGETTING:
        total = 0
        while deleted := _forget(database, delete, settings.retention + longer):
            FORGOTTEN.labels(settings.service, what).inc(deleted)
            total += deleted
        if total:
            _log.info("old_messages_forgotten", what=what, rows=total)


def _forget(database: Database, delete: Callable[..., int], age: timedelta) -> int:
    with database.transaction() as session:
        return delete(session, older_than=age)
