"""What an operator asks of billing besides running it: `python -m billing_service verify|close-day`."""

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import click
import structlog

from billing_service import config, queries
from billing_service.errors import DayNotFound, FutureDay
from billing_service.jobs import close_days_up_to
from chassis.db import Database, utc_now
from chassis.settings import SettingsError


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def verify(as_json: bool) -> None:
    """Tell whether the books balance; exit with 1 if not."""
    with _database().reading() as session:
        problems = queries.verify(session)
    if as_json:
        found = [{"fault": problem.fault, "detail": problem.detail} for problem in problems]
        click.echo(json.dumps({"balances": not problems, "problems": found}, ensure_ascii=False))
    else:
        click.echo("\n".join(str(problem) for problem in problems) or "The books balance.")
    sys.exit(1 if problems else 0)


@click.command("close-day")
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def close_day(day: datetime, as_json: bool) -> None:
    """Close a business day and all before it; does nothing if that was done before."""
    wanted = day.date()
    database = _database()
    try:
        closed = close_days_up_to(database, wanted, now=utc_now())
        with database.reading() as session:
            report = queries.day_report(session, wanted)
    except (DayNotFound, FutureDay) as error:
        raise click.ClickException(error.detail) from error
    answer = {
        "day": str(report.day),
        "status": report.status,
        "closed_now": [str(each) for each in closed],
        "payout_cents": report.totals.payout_cents,
    }
    click.echo(json.dumps(answer) if as_json else "\n".join(f"{name}: {value}" for name, value in answer.items()))


#: By the word that names them on the command line.
COMMANDS: Mapping[str, click.Command] = MappingProxyType({"verify": verify, "close-day": close_day})


def _database() -> Database:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # the answer alone is for stdout
    try:
        return Database(config.load())
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
