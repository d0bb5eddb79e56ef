"""What an operator asks of auth besides running it: `python -m auth_service seed|import-users`."""

import json
from pathlib import Path
from typing import Any

import click

from auth_service import commands, config
from chassis.db import Database
from chassis.operating import OperatorCommand


@click.command("seed", cls=OperatorCommand)
def seed_command() -> None:
    """Register the demo company; print its people as JSON. Once more changes nothing."""
    from auth_service.demo.seed import seed  # draws pictures, which no process of the service does

    settings = config.load()
    _print(seed(settings, Database(settings)))


@click.command("import-users", cls=OperatorCommand)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_users_command(file: Path) -> None:
    """Create and update users by their external ids from a CSV or JSON file; print how many, as JSON."""
    database = Database(config.load())
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise click.ClickException(f"{file} cannot be read: {error}") from error
    rows = commands.read_import(text, json_format=file.suffix.lower() == ".json")
    with database.transaction() as session:
        counts = commands.import_users(session, rows)
    _print(counts)


COMMANDS = (seed_command, import_users_command)


def _print(result: Any) -> None:
    click.echo(json.dumps(result, ensure_ascii=False, indent=2))
