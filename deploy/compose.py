"""What docker compose runs for what the services share: the same databases, users and exchanges as `make up` makes.

    python -m deploy.compose definitions FILE   what RabbitMQ is to load at its start
    python -m deploy.compose databases          roles, databases, migrations, the demo company
    python -m deploy.compose topology           goes on: makes again what is deleted in RabbitMQ's console

Who may do what is read from the URLs that the services get: <SERVICE>_DATABASE_URL, <SERVICE>_OWNER_DATABASE_URL
and <SERVICE>_AMQP_URL; ATES_POSTGRES_URL and ATES_RABBITMQ_URL are those of the administrators. All are secrets that
come as files.
"""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click

from chassis.secret_files import read_secret_files
from deploy import definitions
from deploy.databases import create_service_database
from deploy.errors import DeployError
from deploy.settings import SERVICES, VHOST
from deploy.topology import TopologyKeeper
from messaging import stop_at_signal

#: Of RabbitMQ's console, inside the network of the containers.
_MANAGEMENT_PORT = 15672


@click.group()
def compose() -> None:
    """Prepare what the containers share."""
    read_secret_files()


@compose.command("definitions")
@click.argument("file", type=click.Path(path_type=Path))
def write_definitions(file: Path) -> None:
    """Write RabbitMQ's users, permissions, exchanges and queues."""
    passwords = {definitions.ADMINISTRATOR: _password("ATES_RABBITMQ_URL")}
    passwords |= {service: _password(f"{service.upper()}_AMQP_URL") for service in SERVICES}
    file.write_text(definitions.as_json(definitions.users(passwords), definitions.vhost(VHOST, SERVICES)))


@compose.command()
def databases() -> None:
    """Make roles and databases, bring them up to date, and make the demo company unless it is there."""
    for service in SERVICES:
        owner, app = _variable(f"{service.upper()}_OWNER_DATABASE_URL"), f"{service.upper()}_DATABASE_URL"
        create_service_database(
            _variable("ATES_POSTGRES_URL"),
            service,
            database=urlsplit(owner).path.removeprefix("/"),
            owner_password=_password(f"{service.upper()}_OWNER_DATABASE_URL"),
            app_password=_password(app),
        )
        subprocess.run([sys.executable, "-m", f"{service}_service", "migrate"], check=True)
    subprocess.run([sys.executable, "-m", "auth_service", "seed"], check=True)


@compose.command()
def topology() -> None:
    """Make again the exchanges and queues that somebody deletes in RabbitMQ, until this is ended."""
    url = urlsplit(_variable("ATES_RABBITMQ_URL"))
    management = f"http://{url.hostname}:{_MANAGEMENT_PORT}"
    credentials = (definitions.ADMINISTRATOR, _password("ATES_RABBITMQ_URL"))
    TopologyKeeper(management, credentials, VHOST, definitions.vhost(VHOST, SERVICES)).run(stop_at_signal())


def _variable(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError as error:
        raise DeployError(f"{name} is not set") from error


def _password(variable: str) -> str:
    return unquote(urlsplit(_variable(variable)).password or "")


if __name__ == "__main__":
    compose()
