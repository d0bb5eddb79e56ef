"""`./ates close-day` and `./ates verify`: the end of a business day, and whether the money is right."""

from datetime import datetime
from typing import Any

import click

from deploy.cli.output import json_option, print_json
from deploy.cli.running import ask_service, running_system


@click.command("close-day")
@click.argument("day", metavar="[DAY]", type=click.DateTime(["%Y-%m-%d"]), required=False)
@click.option(
    "--from",
    "first",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DAY",
    help="The first day to be closed: needed for more than three at once.",
)
@json_option
def close_day(*, day: datetime | None, first: datetime | None, as_json: bool) -> None:
    """Close a business day, and all before it.

    Whoever is above zero is paid. A day that is closed already stays as it is, so it may be said twice. Without DAY
    every day that is over is closed; today is closed early only if it is named.
    """
    wanted = [str(day.date())] if day else []
    wanted += ["--from", str(first.date())] if first else []
    answer = ask_service(running_system(), "billing", "close-day", "--json", *wanted)
    if as_json:
        print_json(answer)
    else:
        click.echo(_told(answer))


@click.command()
@click.option(
    "--wait",
    type=click.FloatRange(0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long events may still be on their way to analytics.",
)
@json_option
def verify(*, wait: float, as_json: bool) -> None:
    """Check that the books balance and analytics agrees. Exits with 1 if not."""
    run = running_system()
    books = ask_service(run, "billing", "verify", "--json")
    figures = ask_service(run, "analytics", "verify", "--wait", str(wait))
    if as_json:
        print_json(books | figures)
    else:
        click.echo("The books balance." if books["balances"] else "The books do not balance:")
        for problem in books["problems"]:
            click.echo(f"  {problem['fault']}: {problem['detail']}")
        click.echo("Analytics agrees." if figures["agrees"] else "Analytics does not agree:")
        for difference in figures["differences"]:
            click.echo(f"  {_difference(difference)}")
    raise SystemExit(0 if books["balances"] and figures["agrees"] else 1)


def _told(answer: dict[str, Any]) -> str:
    if answer["status"] is None:
        return "No day is over yet."
    paid = f"Paid out at its end: {answer['payout_cents'] / 100:.2f} $."
    if not answer["closed_now"]:
        return f"{answer['day']} was closed before. {paid}"
    return f"Closed {', '.join(answer['closed_now'])}. {paid}"


def _difference(difference: dict[str, Any]) -> str:
    whose = difference["account"] or difference["day"] or "somebody"
    return (
        f"{whose}: {difference['figure']} is {difference['billing']} in billing, {difference['analytics']} in analytics"
    )
