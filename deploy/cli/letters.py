"""`./ates letters`: letters about payouts that need a person."""

import click

from deploy.cli.output import json_option, print_json
from deploy.cli.running import ask_service, running_system


@click.group()
def letters() -> None:
    """Letters about payouts."""


@letters.command("send-again")
@click.argument("which", type=click.Choice(["failed", "unknown"]))
@json_option
def send_again(*, which: str, as_json: bool) -> None:
    """Send all letters again that failed, or of which nobody knows whether they arrived.

    A single one is sent again on its page.
    """
    answer = ask_service(running_system(), "billing", "send-letters-again", which)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"Letters to be sent again: {answer['letters']}.")
