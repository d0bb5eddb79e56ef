"""The commands of `./ates`."""

import click

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

if __name__ == "__main__":
    ates(prog_name="ates")
