"""What an operator asks of analytics besides running it: `python -m analytics_service verify`."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

import click

from analytics_service import config, queries
from analytics_service.domain.reconciliation import Difference
from chassis.business_clock import business_now
from chassis.db import Database
from chassis.operating import OperatorCommand

#: Seconds between two looks.
_EVERY = 0.5


@click.command(cls=OperatorCommand)
@click.option(
    "--wait", type=click.FloatRange(0), default=0, metavar="SECONDS", help="How long news may be on their way."
)
def verify(wait: float) -> None:
    """Tell as JSON whether our figures agree with billing's; exit with 1 if not."""
    found = _lasting_differences(Database(config.load()), wait)
    answer = {"agrees": not found, "differences": [asdict(difference) for difference in found]}
    click.echo(json.dumps(answer, default=str, ensure_ascii=False))
    sys.exit(1 if found else 0)


COMMANDS = (verify,)


def _lasting_differences(database: Database, wait: float) -> Sequence[Difference]:
    """Look until there are none, for that many seconds: an event can have come and the next one not yet."""
    deadline = time.monotonic() + wait
    while True:
        with database.reading() as session:
            found = queries.reconcile(session, business_now(session))
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(_EVERY)
