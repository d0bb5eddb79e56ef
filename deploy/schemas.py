"""The event schemas of aTES: frozen, compatible, and described.

python -m deploy.schemas lock        freeze new versions; refuses if a published one was changed
python -m deploy.schemas report      what a new version breaks, and for whom
python -m deploy.schemas catalogue   write docs/events.md and docs/asyncapi.json
python -m deploy.schemas check       all of it, without writing: for `make check`
"""

from pathlib import Path

import click

from chassis.settings import EXCHANGE
from chassis.upcasters import UPCASTERS
from deploy.settings import REPOSITORY, VHOST
from deploy.subscriptions import subscriptions
from messaging import SchemaRegistry
from messaging.errors import SchemaRegistryError
from messaging.schemas import Glossary, asyncapi, catalogue, compatibility, lock

FOLDER = REPOSITORY / "event_schemas"
_COMMAND = "python -m deploy.schemas"

_INFO = {
    "title": "aTES",
    "version": "1.0.0",
    "description": "The events of the awesome Task Exchange System of UberPopug Inc, one channel per routing key.",
}
_SERVERS = {
    "local": {
        "host": "127.0.0.1:5672",
        "pathname": f"/{VHOST}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "RabbitMQ as `make up` starts it; every service has a user of its own",
    }
}


def registry() -> SchemaRegistry:
    """Return the schemas as the services load them."""
    return SchemaRegistry.load(FOLDER, upcasters=UPCASTERS)


def glossary() -> Glossary:
    """Return the words that published schemas lack."""
    return Glossary.load(FOLDER / "glossary.json")


def documents() -> dict[Path, str]:
    """Return the generated files and what is to stand in them."""
    schemas, listening, words = registry(), subscriptions(), glossary()
    page = catalogue.markdown(schemas, listening, words, folder=FOLDER.name, command=f"{_COMMAND} catalogue")
    api = asyncapi.document(schemas, listening, words, info=_INFO, servers=_SERVERS, exchange=EXCHANGE)
    return {
        REPOSITORY / "docs" / "events.md": page,
        REPOSITORY / "docs" / "asyncapi.json": asyncapi.as_json(api),
    }


class _Group(click.Group):
    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except SchemaRegistryError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group)
def schemas() -> None:
    """Look after the event schemas."""


@schemas.command("lock")
def write_lock() -> None:
    """Freeze the versions that are not frozen yet. Refuses if a frozen one is not as it was."""
    added = lock.lock(FOLDER)
    for path in added:
        click.echo(f"locked {path}")
    click.echo(f"{len(added)} new, {len(lock.read_lock(FOLDER))} in all")


@schemas.command()
def report() -> None:
    """Say what a version breaks, and for whom. Fails if anything is not settled."""
    findings = compatibility.compare(registry(), subscriptions())
    for finding in findings:
        click.echo(finding)
    breaking = sum(not finding.settled for finding in findings)
    if breaking:
        raise click.ClickException(
            f"{breaking} of {len(findings)} findings break somebody. Mend the new version, lift the old one with an "
            'upcaster (chassis/upcasters.py), or accept it in the new schema: "x-breaking": "why, and who was told".'
        )
    click.echo(f"Versions of {len(list(registry().names()))} events compared: nothing breaks.")


@schemas.command("catalogue")
def write_documents() -> None:
    """Write docs/events.md and docs/asyncapi.json."""
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
        click.echo(f"written {path.relative_to(REPOSITORY)}")


@schemas.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Fail if a version is changed, not frozen or breaking, or if the documents are not current."""
    if new := lock.unpublished(FOLDER):
        raise click.ClickException(f"not frozen yet: {', '.join(new)}. Run `{_COMMAND} lock`.")
    context.invoke(report)
    stale = [path.name for path, text in documents().items() if not path.exists() or path.read_text("utf-8") != text]
    if stale:
        raise click.ClickException(f"not current: {', '.join(stale)}. Run `{_COMMAND} catalogue`.")


if __name__ == "__main__":
    schemas(prog_name=_COMMAND)
