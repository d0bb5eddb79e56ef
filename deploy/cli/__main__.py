"""The commands of `./ates`."""

import click

from chassis.secret_files import read_secret_files
from deploy.cli.books import close_day, verify
from deploy.cli.dead_letters import dead_letters
from deploy.cli.doctor import doctor
from deploy.cli.letters import letters
from deploy.cli.outbox import outbox
from deploy.cli.replay import replay
from deploy.cli.status import status
from deploy.cli.trace import trace
from deploy.cli.users import users
from deploy.errors import DeployError


class _Group(click.Group):
    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except DeployError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group)
def ates() -> None:
    """Look after a running aTES. ATES_STATE_DIR says which one (default: var).

    Exit codes: 0 all is well, 1 something is not or could not be done, 2 the command was not understood.
    """


ates.add_command(doctor)
ates.add_command(status)
ates.add_command(trace)
ates.add_command(outbox)
ates.add_command(dead_letters)
ates.add_command(replay)
ates.add_command(users)
ates.add_command(close_day)
ates.add_command(letters)
ates.add_command(verify)

if __name__ == "__main__":
    read_secret_files()
    ates(prog_name="ates")
