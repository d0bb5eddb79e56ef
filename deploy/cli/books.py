"""`./ates close-day` and `./ates verify`: the end of a business day, and whether everything is right."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import click

from chassis.formats import format_money
from deploy.cli.arrivals import Arrivals, Missing, check_arrivals
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

    Whoever is above zero is paid out. A day that is closed already stays as it is, so the command can be repeated.
    Without DAY every day that is over is closed; today is closed early only if it is named.
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
    help="How long events may be on their way.",
)
@json_option
def verify(*, wait: float, as_json: bool) -> None:
    """Check that the books balance, analytics agrees, and every event has arrived. Exits with 1 if not.

    An event has arrived when its service has handled it, keeps it for later, or has it among its dead letters.
    """
    run = running_system()
    books = ask_service(run, "billing", "verify", "--json")
    figures = ask_service(run, "analytics", "verify", "--wait", str(wait))
    arrivals = check_arrivals(run, wait=wait)
    if as_json:
        print_json(books | figures | {"lost": _as_json(arrivals.lost), "on_the_way": _as_json(arrivals.on_the_way)})
    else:
        click.echo("The books balance." if books["balances"] else "The books do not balance:")
        for problem in books["problems"]:
            click.echo(f"  {problem['fault']}: {problem['detail']}")
        click.echo("Analytics agrees." if figures["agrees"] else "Analytics does not agree:")
        for difference in figures["differences"]:
            click.echo(f"  {_difference(difference)}")
        for line in _told_of(arrivals):
            click.echo(line)
    arrived = not arrivals.lost and not arrivals.on_the_way
    raise SystemExit(0 if books["balances"] and figures["agrees"] and arrived else 1)


def _told(answer: dict[str, Any]) -> str:
    if answer["status"] is None:
        return "No day is over yet."
    paid = f"Paid out at its end: {format_money(answer['payout_cents'])}."
    if not answer["closed_now"]:
        return f"{answer['day']} was closed already. {paid}"
    return f"Closed {', '.join(answer['closed_now'])}. {paid}"


def _told_of(arrivals: Arrivals) -> Iterator[str]:
    if arrivals.on_the_way:
        yield "Events are still on their way:"
        yield from (f"  {_whose(missing)}" for missing in arrivals.on_the_way)
    if arrivals.lost:
        yield "Events were lost on their way, and are sent again by:"
        for missing in arrivals.lost:
            yield f"  {_whose(missing)}: {missing.replay}"
    if not arrivals.on_the_way and not arrivals.lost:
        yield "Every event has arrived."


def _whose(missing: Missing) -> str:
    subscription = missing.subscription
    return f"{missing.events} of {subscription.producer} to {subscription.service}"


def _as_json(found: Sequence[Missing]) -> list[dict[str, Any]]:
    return [
        {
            "service": missing.subscription.service,
            "producer": missing.subscription.producer,
            "events": missing.events,
            "since": missing.since,
            "replay": missing.replay,
        }
        for missing in found
    ]


def _difference(difference: dict[str, Any]) -> str:
    whose = difference["account"] or difference["day"] or "somebody"
    return (
        f"{whose}: {difference['figure']} is {difference['billing']} in billing, {difference['analytics']} in analytics"
    )
