"""The commands of `./ates`."""

import click

from deploy.cli.dead_letters import dead_letters
from deploy.cli.status import status
from deploy.errors import DeployError


class _Group(click.Group):
    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except DeployError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group)
def ates() -> None:
    """Look after a running aTES. ATES_STATE_DIR says which one (default: var)."""


ates.add_command(status)
ates.add_command(dead_letters)

if __name__ == "__main__":
    ates(prog_name="ates")
