"""`./ates replay`: one service hears once more what others have published."""

import os
import sys
from collections.abc import Iterator

import click

from chassis.replaying import replay_options
from deploy.cli.running import running_system, service_environment
from deploy.settings import CONSUMING_SERVICES, REPOSITORY, SERVICES


@click.command()
@click.option(
    "--to", "service", type=click.Choice(CONSUMING_SERVICES), required=True, help="The service that gets them."
)
@replay_options
@click.pass_context
def replay(context: click.Context, /, *, service: str, **_options: object) -> None:
    """Send published events once more, to one service only.

    Its consumer pauses meanwhile, the other services go on. Events that it has handled have no second effect; with
    --rebuild it forgets everything first. After a crash, run the same command again: it begins anew.
    """
    run = running_system()
    environment = service_environment(run, service)
    for producer in SERVICES:
        theirs = service_environment(run, producer)
        environment |= {
            name: theirs[name] for name in (f"{producer.upper()}_DATABASE_URL", f"{producer.upper()}_AMQP_URL")
        }
    # In our place and not beside us: whoever stops or kills this command stops or kills the replay.
    os.chdir(REPOSITORY)
    os.execve(sys.executable, [sys.executable, "-m", f"{service}_service", "replay", *_words(context)], environment)  # noqa: S606 (none is wanted)


def _words(context: click.Context) -> Iterator[str]:
    """Yield the options as they were given, but for the service."""
    for option in context.command.params:
        given = context.params.get(option.name or "")
        if option.name == "service" or not given:
            continue
        for value in given if isinstance(given, tuple) else (given,):
            yield option.opts[0]
            if value is not True:
                yield str(value)
