"""`./ates trace`: the timeline of a request or a job over all services."""

from collections.abc import Callable, Mapping, Sequence
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any, TypeVar
from uuid import UUID

import click
from sqlalchemy.orm import Session

from chassis.formats import format_money
from chassis.timeline.steps import (
    MAX_EVENTS,
    FurtherSteps,
    KnownSteps,
    Step,
    What,
    causes_of,
    known_steps,
    no_further_steps,
)
from chassis.timeline.story import Moment, merged_threads, put_together
from deploy.cli.output import json_option, print_json
from deploy.cli.running import open_database, running_system
from deploy.errors import DeployError
from deploy.run_file import Run
from messaging.trail import Thread, threads_of

T = TypeVar("T")

#: What a service says besides events, as its application does.
_FURTHER: Mapping[str, str] = MappingProxyType({"billing": "billing_service.queries:steps_of_events"})
_MAX_THREADS = 50


@click.command()
@click.argument("what", metavar="ID")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=MAX_EVENTS,
    show_default=True,
    metavar="N",
    help="How many events of each service.",
)
@json_option
def trace(*, what: str, limit: int, as_json: bool) -> None:
    """Show what a request or a job set off: events, how long they waited and were handled, movements, letters.

    ID is a correlation id (the header X-Request-ID of every answer), or the id of an event, a task, a user or an
    account. If several requests have to do with it they are listed. Exits with 1 if there is none.
    """
    run = running_system()
    found, silent = _of_all(run, lambda session, _service: threads_of(session, what, limit=_MAX_THREADS))
    threads = merged_threads(thread for told in found for thread in told)
    known, left_out = _steps(run, threads[0].correlation_id, limit) if len(threads) == 1 else ([], 0)
    moments = put_together(known).moments
    if as_json:
        print_json(
            {
                "threads": [thread.__dict__ for thread in threads],
                "items": [_as_json(moment) for moment in moments],
                "left_out": left_out,
                "silent": silent,
            }
        )
    elif moments:
        _show(threads[0], moments, left_out)
    elif threads:
        _show_threads(threads)
    else:
        click.echo("No event has to do with this id.")
    if silent and not as_json:
        click.echo(f"No answer from the databases of: {', '.join(silent)}. What they know is missing here.", err=True)
    raise SystemExit(0 if threads else 1)


def _steps(run: Run, correlation_id: UUID, limit: int) -> tuple[list[Step], int]:
    """Ask all databases for what was made there, and then for what was handled."""
    first = _ask_steps(run, correlation_id, frozenset(), limit)
    event_ids = frozenset(id for known in first for id in causes_of(known.items))
    told = _ask_steps(run, correlation_id, event_ids, limit)
    return [step for known in told for step in known.items], sum(known.left_out for known in told)


def _ask_steps(run: Run, correlation_id: UUID, event_ids: frozenset[UUID], limit: int) -> list[KnownSteps]:
    def ask(session: Session, service: str) -> KnownSteps:
        further: FurtherSteps = resolve_name(_FURTHER[service]) if service in _FURTHER else no_further_steps
        return known_steps(session, service, correlation_id, event_ids, further, limit=limit)

    answers, _ = _of_all(run, ask)
    return answers


def _of_all(run: Run, ask: Callable[[Session, str], T]) -> tuple[list[T], list[str]]:
    """Return the answers of the databases, and the services whose database gives none."""
    answers, silent = [], []
    for service in run.databases:
        try:
            with open_database(run, service) as session:
                answers.append(ask(session, service))
        except DeployError:
            silent.append(service)
    return answers, silent


def _as_json(moment: Moment) -> dict[str, Any]:
    step = {name: value for name, value in moment.step.__dict__.items() if value is not None}
    return step | {
        "since_ms": moment.since_ms,
        "sets_off": moment.sets_off,
        "producer": moment.producer,
        "queue_ms": moment.queue_ms,
    }


def _show(thread: Thread, moments: Sequence[Moment], left_out: int) -> None:
    click.echo(f"Correlation id {thread.correlation_id}, since {thread.since.isoformat(' ', 'milliseconds')}\n")
    width = max(len(str(moment.since_ms)) for moment in moments)
    for moment in moments:
        since = f"+{moment.since_ms}".rjust(width + 1)
        click.echo(f"{since} ms  {moment.step.service:<9}  {_words(moment)}{_times(moment)}")
    if left_out:
        click.echo(f"\n{left_out} further events are not shown: see --limit.")


def _times(moment: Moment) -> str:
    queue, took = moment.queue_ms, moment.step.took_ms
    told = [f"in the queue {queue} ms"] if queue is not None else []
    told += [f"took {took} ms"] if took is not None else []
    return f" ({', '.join(told)})" if told else ""


def _words(moment: Moment) -> str:
    step = moment.step
    if step.what is What.LEDGER:
        return f"{step.state} {format_money(step.amount_cents or 0)}"
    if step.what is What.LETTER:
        return f"letter {step.state}"
    name = step.type or f"event {step.id}"
    if step.what is What.EVENT:
        return f"{'request or job: ' if moment.sets_off else ''}{name} {step.state}"
    return f"{name} handled" if step.what is What.HANDLED else f"{name} {step.state}: {step.detail or ''}"


def _show_threads(threads: Sequence[Thread]) -> None:
    click.echo("Several requests or jobs have to do with it. Ask for one of them:\n")
    for thread in threads:
        since = thread.since.isoformat(" ", "milliseconds")
        click.echo(f"{thread.correlation_id}  since {since}, first {thread.type}, events: {thread.events}")
