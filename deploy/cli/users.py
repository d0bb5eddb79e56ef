"""`./ates users`: the people of the company."""

from pathlib import Path

import click

from deploy.cli.output import json_option, print_json
from deploy.cli.running import ask_service, running_system


@click.group()
def users() -> None:
    """Bring in people from outside, and the first administrator."""


@users.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path))
@json_option
def import_command(*, file: Path, as_json: bool) -> None:
    """Create and update users from FILE, as often as you like.

    A CSV file has a header line, and commas or semicolons; a file named .json holds a list of objects. Each row has
    external_id (by which a user is found again), name, email, role (popug, boss, accountant, manager or admin) and
    perhaps status (active or blocked; empty means active). The file is checked as a whole: two people may swap
    their addresses. If one row is refused, nothing is imported, and every such row is named.
    """
    counts = ask_service(running_system(), "auth", "import-users", str(file))
    if as_json:
        print_json(counts)
    else:
        click.echo(", ".join(f"{count} {what}" for what, count in counts.items()))


@users.command("create-admin")
@click.option("--name", required=True, help="As others will see it.")
@click.option("--email", required=True, help="Of nobody else here.")
@click.option(
    "--beak",
    required=True,
    type=click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path),
    help="A photo of the beak, PNG or JPEG. It signs in from then on.",
)
@json_option
def create_admin_command(*, name: str, email: str, beak: Path, as_json: bool) -> None:
    """Register an administrator: in a company that is not the demo company, the first person who can sign in."""
    words = ["--name", name, "--email", email, "--beak", str(beak)]
    admin = ask_service(running_system(), "auth", "create-admin", *words)
    if as_json:
        print_json(admin)
    else:
        click.echo(f"{admin['name']} is an administrator now, and signs in with this beak.")
