"""What an operator asks of auth besides running it: `python -m auth_service seed|create-admin|import-users`."""

import json
import mimetypes
from pathlib import Path
from typing import Any

import click

from auth_service import commands, config
from auth_service.queries import BeakMemory
from chassis.db import Database
from chassis.operating import OperatorCommand
from chassis.people import Role


@click.command("seed", cls=OperatorCommand)
def seed_command() -> None:
    """Register the demo company; print its people as JSON. Once more changes nothing.

    Where ATES_DEMO is not 1 nobody is registered, and of a demo company from before nobody gets in any more.
    """
    from auth_service.demo.seed import seed, shut_out  # draws pictures, which no process of the service does

    settings = config.load()
    database = Database(settings)
    if settings.demo:
        _print(seed(settings, database))
    else:
        shut_out(database)
        _print([])


@click.command("create-admin", cls=OperatorCommand)
@click.option("--name", required=True)
@click.option("--email", required=True)
@click.option("--beak", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def create_admin_command(name: str, email: str, beak: Path) -> None:
    """Register an administrator with a photo of the beak (PNG or JPEG); print the user as JSON."""
    content_type, _ = mimetypes.guess_type(beak)
    descriptor = commands.look_at(beak.read_bytes(), content_type or "")
    with Database(config.load()).transaction() as session:
        user = commands.create_user(session, name=name, email=email, role=Role.ADMIN)
        commands.enrol_beak(session, BeakMemory(), user.id, descriptor)
    _print({"id": str(user.id), "name": user.name, "email": user.email, "role": user.role})


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


COMMANDS = (seed_command, create_admin_command, import_users_command)


def _print(result: Any) -> None:
    click.echo(json.dumps(result, ensure_ascii=False, indent=2))
