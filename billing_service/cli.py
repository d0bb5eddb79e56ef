"""What an operator asks of billing besides running it: `python -m billing_service verify|close-day|...`."""

import json
import sys
from datetime import datetime

import click

from billing_service import commands, config, queries
from billing_service.domain.business_day import last_day_over
from billing_service.errors import DayNotFound
from billing_service.jobs import close_days_up_to
from billing_service.models import FAILED, UNKNOWN
from chassis.business_clock import calendar_day
from chassis.db import Database
from chassis.operating import OperatorCommand
from chassis.paging import PageRequest


@click.command(cls=OperatorCommand)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def verify(as_json: bool) -> None:
    """Tell whether the books balance; exit with 1 if not."""
    with Database(config.load()).reading() as session:
        problems = queries.verify(session)
    if as_json:
        found = [{"fault": problem.fault, "detail": problem.detail} for problem in problems]
        click.echo(json.dumps({"balances": not problems, "problems": found}, ensure_ascii=False))
    else:
        click.echo("\n".join(str(problem) for problem in problems) or "The books balance.")
    sys.exit(1 if problems else 0)


@click.command("close-day", cls=OperatorCommand)
@click.argument("day", metavar="[DAY]", type=click.DateTime(["%Y-%m-%d"]), required=False)
@click.option(
    "--from",
    "first",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DAY",
    help="The first day to be closed: needed for more than three at once.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def close_day(day: datetime | None, first: datetime | None, as_json: bool) -> None:
    """Close a business day and all before it; does nothing if that was done before.

    Without DAY: every day that is over. Today is closed early only if it is named.
    """
    database = Database(config.load())
    with database.reading() as session:
        wanted = day.date() if day else last_day_over(calendar_day(session))
    closed = close_days_up_to(database, wanted, confirmed_from=first.date() if first else None)
    status, payout_cents = None, 0
    with database.reading() as session:
        try:
            report = queries.day_report(session, wanted, page=PageRequest(1))
            status, payout_cents = report.status, report.totals.payout_cents
        except DayNotFound:
            if day:
                raise
            # Nobody named it: the books began today, and no day of theirs is over.
    answer = {
        "day": str(wanted),
        "status": status,
        "closed_now": [str(each) for each in closed],
        "payout_cents": payout_cents,
    }
    click.echo(json.dumps(answer) if as_json else "\n".join(f"{name}: {value}" for name, value in answer.items()))


@click.command("send-letters-again", cls=OperatorCommand)
@click.argument("letter", type=click.Choice([FAILED, UNKNOWN]))
def send_letters_again(letter: str) -> None:
    """Have all letters sent once more that failed, or whose fate is unknown; tell as JSON how many."""
    with Database(config.load()).transaction() as session:
        number = commands.send_letters_again(session, letter)
    click.echo(json.dumps({"letters": number}))


COMMANDS = (verify, close_day, send_letters_again)
