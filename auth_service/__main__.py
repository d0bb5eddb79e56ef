"""`python -m auth_service web|relay|scheduler|migrate`, and `seed` and `import-users FILE`."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from auth_service import commands, config
from auth_service.app import create_app
from auth_service.demo.seed import seed
from auth_service.jobs import add_jobs
from chassis.cli import Service, main
from chassis.db import Database
from chassis.errors import ServiceError
from chassis.settings import SettingsError


@click.group(help="What an operator does with auth.")
def operator() -> None:
    """Commands that are no processes."""


@operator.command("seed")
def seed_command() -> None:
    """Register the demo company; print its people as JSON. Once more changes nothing."""
    settings = config.load()
    _print(seed(settings, Database(settings)))


@operator.command("import-users")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_users_command(file: Path) -> None:
    """Create and update users by their external ids from a CSV or JSON file; print how many, as JSON."""
    database = Database(config.load())
    rows = commands.read_import(file.read_text(encoding="utf-8-sig"), json_format=file.suffix.lower() == ".json")
    with database.transaction() as session:
        counts = commands.import_users(session, rows)
    _print(counts)


def _print(result: Any) -> None:
    click.echo(json.dumps(result, ensure_ascii=False, indent=2))


def _explain(error: Exception) -> str:
    lines = [str(error)]
    if isinstance(error, ServiceError):
        lines += [f"{where}: {' '.join(texts)}" for where, texts in (error.errors or {}).items()]
    return "\n".join(lines)


if sys.argv[1:2] and sys.argv[1] in operator.commands:
    try:
        operator(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (ServiceError, SettingsError, OSError, UnicodeError) as error:
        click.echo(_explain(error), err=True)
        sys.exit(1)
else:
    main(
        Service(
            name="auth",
            load_settings=config.load,
            create_app=create_app,
            jobs=add_jobs,
            migrations=Path(__file__).parent / "migrations",
        )
    )
