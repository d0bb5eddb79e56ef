"""What docker compose runs once before the services: the same databases, users and exchanges as `make up` makes.

    python -m deploy.compose definitions FILE     what RabbitMQ is to load at its start
    python -m deploy.compose databases            roles, databases, migrations, the demo company
    python -m deploy.compose consumers-are-there  wait for the queues, before anything is published

Who may do what is read from the URLs that the services get: <SERVICE>_DATABASE_URL, <SERVICE>_OWNER_DATABASE_URL
and <SERVICE>_AMQP_URL; ATES_POSTGRES_URL and ATES_RABBITMQ_URL are those of the administrators.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
import pika
from pika.exceptions import AMQPError

from deploy import definitions
from deploy.databases import create_service_database
from deploy.errors import DeployError
from deploy.settings import CONSUMING_SERVICES, SERVICES, VHOST
from messaging.topology import events_queue

_TIMEOUT = 120.0


@click.group()
def compose() -> None:
    """Prepare what the containers share."""


@compose.command("definitions")
@click.argument("file", type=click.Path(path_type=Path))
def write_definitions(file: Path) -> None:
    """Write RabbitMQ's users, permissions and shared exchanges."""
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
def consumers_are_there() -> None:
    """Wait until each consuming service has declared and bound its queue; an event without a queue reaches nobody."""
    parameters = pika.URLParameters(_variable("ATES_RABBITMQ_URL"))
    deadline = time.monotonic() + _TIMEOUT
    for service in CONSUMING_SERVICES:
        while not _is_consumed(parameters, events_queue(service)):
            if time.monotonic() > deadline:
                raise click.ClickException(f"{service} has no consumer after {_TIMEOUT:.0f} s")
            time.sleep(0.5)


def _is_consumed(parameters: pika.URLParameters, queue: str) -> bool:
    try:
        with pika.BlockingConnection(parameters) as connection:
            declared = connection.channel().queue_declare(queue, passive=True)
    except AMQPError:
        return False
    return bool(declared.method.consumer_count)


def _variable(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError as error:
        raise DeployError(f"{name} is not set") from error


def _password(variable: str) -> str:
    return unquote(urlsplit(_variable(variable)).password or "")


if __name__ == "__main__":
    compose()
