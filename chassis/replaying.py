"""`python -m analytics_service replay`: what others have published is sent once more, to this service only."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click

from chassis.db import Database, engine_url
from chassis.observe import configure_logging
from chassis.operating import OperatorCommand
from chassis.service import Service, named
from chassis.settings import EXCHANGE, Settings, SettingsError
from messaging import HandlerTable, MessagingError, RabbitBroker, RetryPolicy, stop_at_signal
from messaging.database import new_engine
from messaging.replay import Forget, Producer, Replay, ReplayReport, Survey, abandon, producers_of

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: Sequence[Callable[[F], F]] = (
    click.option("--from", "producers", multiple=True, help="Only events of this producer. Can be repeated."),
    click.option(
        "--event", "events", multiple=True, help="Only this event, as in tracker.task_created. Can be repeated."
    ),
    click.option("--since", type=click.DateTime(), help="Only events made then or later, by the company's clock."),
    click.option("--rebuild", is_flag=True, help="Forget everything first, and take all events."),
    click.option("--incomplete", is_flag=True, help="Rebuild even though the oldest events are not kept any more."),
    click.option("--abandon", is_flag=True, help="Give up a replay that was cut short: live events are handled again."),
    click.option("--yes", is_flag=True, help="Do not ask before anything is forgotten."),
    click.option("--json", "as_json", is_flag=True, help="Answer in JSON."),
)


def replay_options(command: F) -> F:
    """Give the command the options of a replay."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def replay_command(service: Service) -> OperatorCommand:
    """Return the command of this service. If it does not `forget`, the command refuses to rebuild it."""
    name = service.name

    @click.command("replay", cls=OperatorCommand)
    @replay_options
    def replay(**options: Any) -> None:
        """Hear once more what others have published; what was handled before has no second effect.

        It needs the URLs of the producers besides the service's own, as in TRACKER_DATABASE_URL and TRACKER_AMQP_URL.
        The service's consumer pauses meanwhile. After a crash, run it again: it begins anew.
        """
        configure_logging(name, "replay", "WARNING")
        if options["rebuild"] and not service.forget:
            raise click.ClickException(
                f"{name} cannot be rebuilt: not all that it knows follows from events of others."
            )
        settings = service.settings()
        try:
            if options["abandon"]:
                abandon(Database(settings).sessions)
                given_up = {"service": name, "abandoned": True}
                _answer(given_up, f"Given up. {name} goes on with live events.", options)
            else:
                forget = named(service.forget) if options["rebuild"] and service.forget else None
                _carry_out(settings, named(service.handlers), forget, options)
        except MessagingError as error:
            raise click.ClickException(f"{name}: {error}.") from error

    return replay


def _carry_out(settings: Settings, handlers: HandlerTable, forget: Forget | None, options: Mapping[str, Any]) -> None:
    database, name = Database(settings), settings.service
    since: datetime | None = options["since"]
    replay = Replay(
        name,
        RabbitBroker(settings.amqp_url, name=f"{name}.replay"),
        database.sessions,
        handlers,
        database.registry,
        [_producer(each) for each in options["producers"] or producers_of(options["events"] or handlers)],
        names=options["events"],
        since=since.replace(tzinfo=settings.business_timezone) if since else None,
        forget=forget,
        exchange=EXCHANGE,
        retry=RetryPolicy(attempts=settings.retry_attempts),
    )
    if forget:
        _make_sure(name, replay.survey(), options)
    report = replay.run(stop_at_signal(), _tell)
    if sys.stderr.isatty():
        click.echo(err=True)
    answer = {"service": name, "rebuilt": bool(forget), **vars(report)}
    _answer(answer, "\n".join(_words(name, report)), options)
    sys.exit(1 if report.outcomes["dead"] else 0)


def _answer(answer: Mapping[str, Any], words: str, options: Mapping[str, Any]) -> None:
    click.echo(json.dumps(answer, indent=1) if options["as_json"] else words)


def _producer(name: str) -> Producer:
    variables = [f"{name.upper()}_{kind}_URL" for kind in ("DATABASE", "AMQP")]
    if missing := [variable for variable in variables if not os.environ.get(variable)]:
        raise SettingsError(f"{' and '.join(missing)} not set: what {name} has published is read there, and sent")
    database_url, amqp_url = (os.environ[variable] for variable in variables)
    return Producer(name, new_engine(engine_url(database_url)), RabbitBroker(amqp_url, name=f"{name}.replay"))


def _make_sure(name: str, surveys: Sequence[Survey], options: Mapping[str, Any]) -> None:
    """Ask before anything is forgotten, and refuse if it could not all come back."""
    deleted = [f"{survey.deleted:,} events of {survey.producer}" for survey in surveys if survey.deleted]
    if deleted and not options["incomplete"]:
        raise click.ClickException(
            f"{' and '.join(deleted)} are not kept any more: what only they told would be missing from {name} "
            "afterwards. With --incomplete it is rebuilt all the same."
        )
    if not options["yes"]:
        events = sum(survey.retained for survey in surveys)
        click.confirm(f"{name} forgets everything and is rebuilt from {events:,} events. Go on?", abort=True, err=True)


def _tell(done: int, total: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{done:,} of {total:,} events", nl=False, err=True)


def _words(name: str, report: ReplayReport) -> list[str]:
    sent = ", ".join(f"{count:,} of {producer}" for producer, count in sorted(report.sent.items())) or "none"
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(report.outcomes.items())) or "nothing"
    words = [f"Events sent to {name}: {sent}.", f"What became of them, in {report.seconds:.1f} s: {outcomes}."]
    if report.stayed_dead:
        words.append(f"Not sent, since they are dead letters or were discarded: {report.stayed_dead:,}.")
    if report.outcomes["retry"] or report.outcomes["waiting"]:
        words.append("Those that failed, and those that wait behind them, are tried again by the consumer now.")
    return words
