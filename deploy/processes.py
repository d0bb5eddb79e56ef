"""The table of all that `make up` runs for the services, and what each process is told by its environment."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.databases import ServiceDatabase
from deploy.programs import Program
from deploy.settings import CONSUMING_SERVICES, REPOSITORY, SERVICES, Deployment

#: Every kind of process that a service has. What is due by the clock is done by consumers, and by auth's web.
KINDS = ("web", "consumer", "relay")
#: Besides, where they are wanted.
STANDBYS = "relay-standby"

_HEALTH_PORT = "ATES_HEALTH_PORT"

#: How names of variables end that let somebody in, such as those of docker compose in `.env`.
_SECRETS = ("_PASSWORD", "_SECRET_KEY", "_DATABASE_URL", "_AMQP_URL")


@dataclass(frozen=True)
class Access:
    """What lets the processes of one service in."""

    database: ServiceDatabase
    amqp_url: str
    secret_key: str


def all_process_names(deployment: Deployment) -> list[str]:
    """Return the names of all processes that ought to be there while the system runs."""
    kinds = (*KINDS, STANDBYS) if deployment.relay_standbys else KINDS
    return [name for kind in kinds for name in process_names(kind)]


def process_names(kind: str) -> list[str]:
    """Return the names of all processes of this kind, as in `tracker.relay`."""
    services = CONSUMING_SERVICES if kind == "consumer" else tuple(SERVICES)
    return [f"{service}.{kind}" for service in services]


def has_web_server(name: str) -> bool:
    """Tell whether the process answers probes on the port of its service; others need a port of their own for that."""
    return name.endswith(".web")


def process(
    deployment: Deployment, access: Mapping[str, Access], name: str, *, health_port: int | None = None
) -> Program:
    """Return the program of a process that goes on for ever: web, relay or consumer of a service."""
    service, _, kind = name.partition(".")
    # A standby is the same process: which of the two works is decided by the lock in the database.
    word = kind.removesuffix("-standby")
    variables = environment(deployment, service, access[service])
    probed = {} if health_port is None else {_HEALTH_PORT: str(health_port)}
    return _python(deployment, name, service, word, variables | probed)


def migration(deployment: Deployment, access: Mapping[str, Access], service: str) -> Program:
    """Return the program that brings the database of the service up to date: the only one that gets the owner's URL."""
    own = access[service]
    owner = {f"{service.upper()}_OWNER_DATABASE_URL": own.database.owner_url}
    return _python(deployment, f"{service}.migrate", service, "migrate", environment(deployment, service, own) | owner)


def outlining(deployment: Deployment) -> Program:
    """Return the program that prints what only the code of the services tells: see `deploy.outline`."""
    return Program(
        name="outline",
        command=(sys.executable, "-m", "deploy.outline"),
        environment=_given(deployment),
        directory=REPOSITORY,
        log=deployment.logs_dir / "outline.log",
        output=deployment.state_dir / "outline.json",
    )


def seeding(deployment: Deployment, access: Mapping[str, Access]) -> Program:
    """Return the program that makes the demo company, unless it is there, and prints its people as JSON."""
    program = _python(deployment, "auth.seed", "auth", "seed", environment(deployment, "auth", access["auth"]))
    return Program(**{**vars(program), "output": deployment.state_dir / "people.json"})


def environment(deployment: Deployment, service: str, access: Access) -> dict[str, str]:
    """Return the environment of a service's processes: ours, with the ports made explicit and this service's own
    secrets in the place of all others. `make up` brings its own databases and broker."""
    prefix = service.upper()
    own = {
        f"{prefix}_DATABASE_URL": access.database.app_url,
        f"{prefix}_AMQP_URL": access.amqp_url,
        f"{prefix}_SECRET_KEY": access.secret_key,
    }
    ports = {variable: str(port) for variable, port in deployment.ports.items()}
    # The demo company may sign in with a click; a real one would find its beaks published on the sign-in page.
    demo = {"ATES_DEMO": deployment.environment.get("ATES_DEMO", "1")}
    return {**_given(deployment), **ports, **demo, "ATES_STATE_DIR": str(deployment.state_dir), **own}


def _python(deployment: Deployment, name: str, service: str, word: str, variables: Mapping[str, str]) -> Program:
    return Program(
        name=name,
        command=(sys.executable, "-m", f"{service}_service", word),
        environment=variables,
        directory=REPOSITORY,
        log=deployment.logs_dir / f"{name}.log",
    )


def _given(deployment: Deployment) -> dict[str, str]:
    # Without bytecode each of our processes would compile the same files at every start; and one port for the probes of
    # all of them would serve one.
    unwanted = ("PYTHONDONTWRITEBYTECODE", _HEALTH_PORT)
    return {
        name: value
        for name, value in deployment.environment.items()
        if name not in unwanted and not name.endswith(_SECRETS)
    }
