"""How a service fares, in numbers and names, for the console of operators: one answer, cheap enough for every look."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from chassis.db import Database, utc_now
from chassis.scheduled_jobs import ScheduledJob, list_jobs
from messaging import (
    HandlerTable,
    SchemaRegistry,
    consumer_backlog,
    count_waiting,
    handled_per_minute,
    outbox_status,
    published_per_minute,
)
from messaging.dead_letters import (
    DeadLetterGroup,
    Selection,
    count_dead,
    count_dead_letters,
    dead_letter_groups,
    group_notes,
    latest_gradual_replay,
)
from messaging.errors import UnknownType
from messaging.tables import DeadLetterNote

#: Where a service answers with it, to an administrator.
OVERVIEW_PATH = "/api/v1/messages/overview"
#: What waits for a person besides messages and jobs: how many, by their kind, as in {"letters": 3}.
FurtherNeeds = Callable[[Session], Mapping[str, int]]
#: Groups of dead letters, and unknown types, that are told one by one, the largest: what a type is called, and how
#: many there are, is up to whoever sends.
_GROUPS = 20
#: Seconds after which the consumer ought to have looked at its queue again.
_SILENT_AFTER = 60


def no_further_needs(_session: Session) -> Mapping[str, int]:
    """Return none."""
    return {}


def service_overview(database: Database, handlers: HandlerTable, further_needs: FurtherNeeds) -> dict[str, Any]:
    """Return what the service says of itself; `handlers` is what it subscribes to."""
    with database.reading() as session:
        groups = dead_letter_groups(session)
        outbox = {**asdict(outbox_status(session)), "published_per_minute": published_per_minute(session)}
        replay = latest_gradual_replay(session)
        unknown = [group for group in groups if group.reason == UnknownType.reason]
        return {
            "outbox": outbox,
            "consumer": _consumer(session, handlers, database.registry) if handlers else None,
            "waiting": count_waiting(session),
            "dead": _dead(session, groups),
            "unknown_types": [{"type": group.type, "count": group.count} for group in unknown[:_GROUPS]],
            "further_unknown_types": max(0, len(unknown) - _GROUPS),
            "gradual_replay": None if replay is None else asdict(replay),
            "needs_person": {kind: number for kind, number in further_needs(session).items() if number},
            "jobs": [job_words(job) for job in list_jobs(session)],
        }


def job_words(job: ScheduledJob) -> dict[str, Any]:
    """Return a job as programs see it."""
    return {
        "name": job.name,
        "words": job.words,
        "every_seconds": job.every_seconds,
        "last_started_at": job.started_at,
        "last_finished_at": job.finished_at,
        "last_outcome": job.outcome,
        "last_detail": job.detail,
        "next_run_at": job.next_run_at,
        "requested_at": job.requested_at,
        "requested_by": job.requested_by,
    }


def _consumer(session: Session, handlers: HandlerTable, registry: SchemaRegistry) -> dict[str, Any]:
    backlog = consumer_backlog(session)
    silent = backlog is None or (utc_now() - backlog.measured_at).total_seconds() > _SILENT_AFTER
    return {
        "ready": None if backlog is None else backlog.ready,
        "measured_at": None if backlog is None else backlog.measured_at,
        "working": not silent and backlog is not None and backlog.consumers > 0,
        "handled_per_minute": handled_per_minute(session),
        "reads": [{"event": name, "version": registry.newest(name)} for name in sorted(handlers)],
    }


def _dead(session: Session, groups: list[DeadLetterGroup]) -> dict[str, Any]:
    notes, (_newest, undecided) = group_notes(session), count_dead(session, Selection())
    return {
        "open": count_dead_letters(session),
        "undecided": undecided,
        "groups": [_group(group, notes.get((group.type, group.reason))) for group in groups[:_GROUPS]],
        "further_groups": max(0, len(groups) - _GROUPS),
    }


def _group(group: DeadLetterGroup, note: DeadLetterNote | None) -> dict[str, Any]:
    return {
        "type": group.type,
        "reason": group.reason,
        "count": group.count,
        "undecided": group.undecided,
        "oldest_died_at": group.oldest_died_at,
        "newest_died_at": group.newest_died_at,
        "note": None if note is None else {"text": note.text, "by": note.actor_name, "at": note.at},
    }
