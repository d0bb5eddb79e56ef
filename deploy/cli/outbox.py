"""`./ates outbox`: what is committed and not published yet."""

from dataclasses import asdict

import click

from deploy.cli.output import json_option, print_json, print_table
from deploy.cli.running import chosen_services, open_database, running_system, service_option
from messaging import outbox_status
from messaging.outbox import list_pending


@click.command()
@service_option
@click.option(
    "--limit", type=click.IntRange(0), default=10, show_default=True, metavar="N", help="How many of each service."
)
@click.option(
    "--max-age", type=click.FloatRange(0), metavar="SECONDS", help="Exit with 1 if one has waited for longer."
)
@json_option
def outbox(*, service: str | None, limit: int, max_age: float | None, as_json: bool) -> None:
    """Show what waits to be published.

    The oldest of each outbox are listed: a relay that is stuck is stuck at one of them.
    """
    run = running_system()
    services, items = [], []
    for name in chosen_services(run, service):
        with open_database(run, name) as session:
            services.append({"service": name, **asdict(outbox_status(session))})
            items += [{"service": name, **asdict(event)} for event in list_pending(session, limit=limit)]
    if as_json:
        print_json({"pending": sum(each["pending"] for each in services), "services": services, "items": items})
    else:
        print_table(
            "Outboxes",
            ("service", "pending", "oldest, s", "published so far"),
            [
                (
                    each["service"],
                    each["pending"],
                    round(each["oldest_pending_seconds"] or 0, 1),
                    each["published_total"],
                )
                for each in services
            ],
        )
        for item in items:
            click.echo(f"\n{item['id']}  {item['service']}  {item['created_at'].isoformat(' ', 'seconds')}")
            click.echo(f"  {item['type']} {item['sequence']} of {item['subject']}")
    too_old = max_age is not None and any((each["oldest_pending_seconds"] or 0) > max_age for each in services)
    raise SystemExit(1 if too_old else 0)
