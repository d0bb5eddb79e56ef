"""`./ates dead-letters`: what could not be handled, and what is to become of it.

Decisions are written into the service's database, as its page and REST do; its consumer carries them out.
"""

import getpass
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import click
from sqlalchemy.orm import Session

from deploy.cli.output import json_option, print_json, print_table
from deploy.cli.running import chosen_services, open_database, running_system, service_option
from deploy.errors import DeployError
from deploy.run_file import Run
from deploy.settings import REPOSITORY
from messaging import PermanentError, SchemaRegistry
from messaging.dead_letters import (
    STATE_FILTERS,
    Actor,
    DeadLetterStory,
    Decision,
    FieldIs,
    Selection,
    count_dead_letters,
    dead_letter_groups,
    decide,
    decide_all,
    latest_gradual_replay,
    list_dead_letters,
    read_dead_letter,
    replay_edited,
    replay_gradually,
    retry_waiting,
    stop_gradual_replay,
)
from messaging.errors import LetterNotDead, LetterUnknown, ReplayUnderWay

F = TypeVar("F", bound=Callable[..., Any])

_DETAIL = 100


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _field(_context: click.Context, _option: click.Parameter, value: str | None) -> FieldIs | None:
    try:
        return None if value is None else FieldIs.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_selection = _options(
    click.option("--type", help="Only events of this type, as in tracker.task_assigned.v1."),
    click.option("--reason", help="Only those that died for this reason, as in schema-invalid."),
    click.option(
        "--field", callback=_field, help="Only those in which a field has this value, as in data.task_id=7f0c..."
    ),
)
_about = _options(
    click.argument("letter_ids", metavar="[ID]...", type=click.UUID, nargs=-1),
    service_option,
    _selection,
    click.option("--all", "everything", is_flag=True, help="All dead letters there are."),
)


@click.group("dead-letters")
def dead_letters() -> None:
    """Read, replay or discard what could not be handled."""


@dead_letters.command("list")
@service_option
@_selection
@click.option("--state", type=click.Choice(list(STATE_FILTERS)), default="open", help="Default: those not done with.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many of each service.")
@json_option
def list_command(
    *,
    service: str | None,
    type: str | None,
    reason: str | None,
    field: FieldIs | None,
    state: str,
    limit: int,
    as_json: bool,
) -> None:
    """Show dead letters, in groups and one by one."""
    run = running_system()
    items, groups, total = [], [], 0
    for name in chosen_services(run, service):
        with _database(run, name) as session:
            found = list_dead_letters(
                session, limit=limit, type=type, reason=reason, field=field, states=STATE_FILTERS[state]
            )
            items += [{"service": name, **asdict(letter)} for letter in found]
            groups += [{"service": name, **asdict(group)} for group in dead_letter_groups(session)]
            total += count_dead_letters(session)
    if as_json:
        print_json({"total": total, "groups": groups, "items": items})
    else:
        columns = ("service", "type", "reason", "count", "undecided")
        print_table("Dead letters by reason", columns, [[group[column] for column in columns] for group in groups])
        for item in items:
            _show_item(item)


@dead_letters.command("show")
@click.argument("letter_id", metavar="ID", type=click.UUID)
@service_option
@json_option
def show_command(*, letter_id: UUID, service: str | None, as_json: bool) -> None:
    """Show a dead letter with headers, body and history."""
    run = running_system()
    name = _owner(run, letter_id, service)
    with _database(run, name) as session:
        story = read_dead_letter(session, letter_id)
    if as_json:
        print_json({"service": name, **asdict(story)})
    else:
        _show_story(name, story)


def _show_item(item: dict[str, Any]) -> None:
    """Print a letter in three lines: in a table the id would be cut, and that is what one copies."""
    detail = " ".join(item["detail"].split())
    click.echo(f"\n{item['id']}  {item['service']}  {item['state']}  {item['died_at'].isoformat(' ', 'seconds')}")
    why = item["reason"] or "not dead"
    click.echo(f"  {item['type'] or '(of no type)'}: {why}, attempts: {item['attempts']}")
    click.echo(f"  {detail if len(detail) <= _DETAIL else detail[:_DETAIL] + '…'}")


def _show_story(name: str, story: DeadLetterStory) -> None:
    letter = story.letter
    facts = [
        ("service", name),
        ("state", letter.state),
        ("event", letter.type),
        ("reason", letter.reason),
        ("detail", letter.detail),
        ("attempts", letter.attempts),
        ("outcome of its replay", story.outcome or ""),
        ("waits behind", story.behind or ""),
        ("events behind it", story.waiting_behind or ""),
        ("next attempt", story.due_at or ""),
        ("died", letter.died_at),
        ("content_type", story.content_type),
        *story.properties.items(),
        *((f"header {header}", value) for header, value in story.headers.items()),
    ]
    print_table(str(letter.id), ("", ""), [(fact, str(value)) for fact, value in facts])
    happened = [(e.at, e.action, e.actor_name or "", e.detail) for e in story.history]
    print_table("What happened to it", ("when", "what", "who", ""), happened)
    click.echo(story.text)
    if story.replacement:
        click.echo(f"\nSent in its place:\n{story.replacement}")


@dead_letters.command("replay")
@_about
@click.option(
    "--edited",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Send the event in this JSON file, or what it changes, in place of the one dead letter.",
)
@click.option("--gradually", is_flag=True, help="1, then 10, 100 and so on, until some die again. Not with ids.")
@json_option
def replay_command(
    *, edited: Path | None, gradually: bool, letter_ids: Sequence[UUID], as_json: bool, **about: Any
) -> None:
    """Have dead letters handled once more.

    Those with these ids, those of a --type, --reason and --field, or --all.
    """
    if gradually and (edited or letter_ids):
        raise click.UsageError("--gradually is about many: say --type, --reason and --field, or --all.")
    if edited is None:
        _decide(Decision.REPLAY, letter_ids, gradually=gradually, as_json=as_json, **about)
    elif len(letter_ids) == 1:
        _replay_edited(letter_ids[0], about["service"], edited, as_json=as_json)
    else:
        raise click.UsageError("--edited is about one dead letter: name its id.")


def _replay_edited(letter_id: UUID, service: str | None, edited: Path, *, as_json: bool) -> None:
    run = running_system()
    name = _owner(run, letter_id, service)
    registry = SchemaRegistry.load(REPOSITORY / "event_schemas")
    with _database(run, name) as session, session.begin():
        event = replay_edited(session, letter_id, _json_object(edited), by=_operator(), registry=registry)
    _answer([{"service": name, "id": letter_id, "event_id": event.id}], Decision.REPLAY, as_json=as_json)


@dead_letters.command("discard")
@_about
@json_option
def discard_command(*, letter_ids: Sequence[UUID], as_json: bool, **about: Any) -> None:
    """Discard dead letters: they are never handled. Their records stay.

    Those with these ids, those of a --type, --reason and --field, or --all.
    """
    _decide(Decision.DISCARD, letter_ids, as_json=as_json, **about)


@dead_letters.command("gradual")
@service_option
@click.option("--stop", is_flag=True, help="Take no further step; what is under way comes to its end.")
@json_option
def gradual_command(*, service: str | None, stop: bool, as_json: bool) -> None:
    """Show how far the latest gradual replay of each service is, or stop it."""
    run = running_system()
    found: list[dict[str, Any]] = []
    for name in chosen_services(run, service):
        with _database(run, name) as session, session.begin():
            if stop:
                stop_gradual_replay(session)
            latest = latest_gradual_replay(session)
        if latest is not None:
            found.append({"service": name, **asdict(latest)})
    if as_json:
        print_json({"items": found})
    elif found:
        for replay in found:
            click.echo(_gradual_in_words(replay))
    else:
        click.echo("Nothing was ever replayed gradually.")


def _gradual_in_words(replay: dict[str, Any]) -> str:
    outcome = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in replay["outcome"].items())
    began = f"begun by {replay['actor_name']} at {replay['started_at'].isoformat(' ', 'seconds')}"
    return f"{replay['service']}: {replay['state']}, {replay['taken']} of {replay['total']} ({outcome}); {began}"


@dead_letters.command("retry")
@service_option
@json_option
def retry_command(*, service: str | None, as_json: bool) -> None:
    """Try all events now that wait for their next attempt."""
    run = running_system()

    def tell(retried: list[dict[str, Any]]) -> None:
        requested = sum(entry["requested"] for entry in retried)
        if as_json:
            print_json({"requested": requested, "items": retried})
        else:
            click.echo(f"Events that get their next attempt now: {requested}.")

    _in_each(run, service, lambda session: retry_waiting(session, by=_operator()), tell)


def _decide(
    decision: Decision,
    letter_ids: Sequence[UUID],
    *,
    service: str | None,
    type: str | None,
    reason: str | None,
    field: FieldIs | None,
    everything: bool,
    as_json: bool,
    gradually: bool = False,
) -> None:
    if sum((bool(letter_ids), bool(type or reason or field), everything)) != 1:
        raise click.UsageError("Say which dead letters: ids, or --type, --reason and --field, or --all.")
    run = running_system()
    decided: list[dict[str, Any]] = []
    for letter_id in letter_ids:
        name = _owner(run, letter_id, service)
        with _database(run, name) as session, session.begin():
            decide(session, letter_id, decision, by=_operator())
        decided.append({"service": name, "id": letter_id})
    if letter_ids:
        _answer(decided, decision, as_json=as_json)
        return
    chosen, by = Selection(type, reason, field=field), _operator()

    def decide_in(session: Session) -> int:
        if gradually:
            return replay_gradually(session, chosen, by=by)
        return decide_all(session, chosen, decision, by=by)

    _in_each(run, service, decide_in, partial(_answer, decision=decision, as_json=as_json, gradually=gradually))


def _in_each(
    run: Run, service: str | None, work: Callable[[Session], int], tell: Callable[[list[dict[str, Any]]], None]
) -> None:
    """Do the work in each service. What was done is told, also when some refuse; then what they say is raised."""
    done: list[dict[str, Any]] = []
    refusals: list[str] = []
    for name in chosen_services(run, service):
        try:
            with _database(run, name) as session, session.begin():
                count = work(session)
            done.append({"service": name, "requested": count})
        except DeployError as error:
            refusals.append(str(error))
    if done:
        tell(done)
    if refusals:
        raise DeployError("\n".join(refusals))


def _answer(decided: list[dict[str, Any]], decision: Decision, *, as_json: bool, gradually: bool = False) -> None:
    requested = sum(entry.get("requested", 1) for entry in decided)
    if as_json:
        print_json({"requested": requested, "state": decision.value, "items": decided})
    elif gradually:
        click.echo(
            f"Dead letters to be replayed: {requested}; in each service one at first. "
            "How far it is: ./ates dead-letters gradual"
        )
    else:
        then = " The consumers carry it out in a moment." if decision is Decision.REPLAY else ""
        click.echo(f"Dead letters, {decision.value.replace('_', ' ')}: {requested}.{then}")


def _owner(run: Run, letter_id: UUID, service: str | None) -> str:
    """Return the service whose letter it is. The same event can be dead in several."""
    found = [name for name in chosen_services(run, service) if _has(run, name, letter_id)]
    if not found:
        raise DeployError(f"There is no dead letter {letter_id}.")
    if len(found) > 1:
        raise DeployError(f"{letter_id} died in {' and '.join(found)}: say which one you mean with --service.")
    return found[0]


def _has(run: Run, name: str, letter_id: UUID) -> bool:
    with _database(run, name) as session:
        try:
            read_dead_letter(session, letter_id)
        except LetterUnknown:
            return False
        return True


@contextmanager
def _database(run: Run, name: str) -> Iterator[Session]:
    """Yield a session; what is refused, too, becomes a DeployError."""
    try:
        with open_database(run, name) as session:
            yield session
    except (LetterUnknown, LetterNotDead, ReplayUnderWay) as error:
        raise DeployError(f"{name}: {error}.") from error
    except PermanentError as error:
        raise DeployError(f"The edited event would die again: {error}") from error


def _operator() -> Actor:
    return Actor(f"{getpass.getuser()} (./ates)")


def _json_object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DeployError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise DeployError(f"{path} is JSON, but no object.")
    return found
