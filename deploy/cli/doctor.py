"""`./ates doctor`, for the list of commands: the script `ates` calls `deploy.doctor` itself, which needs less."""

import os

import click

from deploy.cli.output import json_option
from deploy.doctor import examine, report


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Tell whether the system can be started here: versions, ports, disk, clock, permissions.

    It works before the first start, too. Exits with 1 if something has to be done before.
    """
    raise SystemExit(report(examine(os.environ), as_json=as_json))
