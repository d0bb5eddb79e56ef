"""A private RabbitMQ node with the management console, on 127.0.0.1 alone, and the epmd that goes with it.

Everything here is understood by RabbitMQ 3.10 and 4.x: docs/decisions/0008-rabbitmq-3-10-and-4.md.
"""

import os
import shutil
from pathlib import Path
from urllib.parse import quote

import requests

from deploy.accounts import give
from deploy.definitions import ADMINISTRATOR
from deploy.errors import DeployError, MissingServerError
from deploy.files import write_atomically
from deploy.ports import LOOPBACK, is_answered
from deploy.programs import Program
from deploy.servers.base import Server, tail

#: Names the program to start where several versions are installed, or none in a usual place.
_VARIABLE = "ATES_RABBITMQ_SERVER"

#: Runs the node as whoever starts it. The one in /usr/sbin insists on being root or the user `rabbitmq`.
_SCRIPTS = ("/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin", "/usr/local/lib/rabbitmq/sbin")

#: What a node says that finds the data of a version it cannot go on with: 4.x that of 3.10, and the other way round.
_FOREIGN_DATA = ("failed_to_initialize_feature_flags_registry", "schema_integrity_check_failed")
#: It is started again and again, so that its last word may be further up than what is shown.
_RECENT_LINES = 300

_CONFIGURATION = """\
listeners.tcp.1 = {address}:{amqp}
management.tcp.ip = {address}
management.tcp.port = {management}
cluster_name = ates
load_definitions = {definitions}
heartbeat = 30
log.file = false
log.console = true
log.console.level = info
log.console.use_colors = off
# A small machine: little memory and disk.
vm_memory_high_watermark.relative = 0.3
disk_free_limit.absolute = 200MB
raft.wal_max_size_bytes = 67108864
"""


class RabbitServer(Server):
    """A RabbitMQ node that keeps everything in its home: data, configuration, cookie."""

    name = "rabbitmq"

    def __init__(
        self,
        home: Path,
        *,
        port: int,
        management_port: int,
        private_ports: tuple[int, int],
        password: str,
        log: Path,
        account: str | None,
        definitions: str = "",
    ) -> None:
        """Take the folder, the ports, the administrator's password and the user to run as (None: the current).

        `private_ports` are those of epmd and of Erlang's distribution, free ones that nobody else needs to know.
        `definitions` is JSON that is loaded at each start; it names the administrator among the users. It may be set
        later, before `prepare`.
        """
        super().__init__(log)
        self.port = port
        self._management_port = management_port
        self._epmd_port, self._distribution_port = private_ports
        self._home = home
        self._password = password
        self.definitions = definitions
        self._account = account

    @property
    def management_url(self) -> str:
        """Return the address of the management console and of its REST interface."""
        return f"http://{LOOPBACK}:{self._management_port}"

    @property
    def credentials(self) -> tuple[str, str]:
        """Return the administrator's name and password."""
        return ADMINISTRATOR, self._password

    def amqp_url(self, vhost: str) -> str:
        """Return the administrator's URL for the vhost."""
        return f"amqp://{ADMINISTRATOR}:{self._password}@{LOOPBACK}:{self.port}/{quote(vhost, safe='')}"

    def prepare(self) -> None:
        """Write the configuration. The database is made by the node itself at its first start."""
        definitions = self._home / "definitions.json"
        configuration = _CONFIGURATION.format(
            address=LOOPBACK, amqp=self.port, management=self._management_port, definitions=definitions
        )
        self._write(definitions, self.definitions)
        self._write(self._home / "rabbitmq.conf", configuration)
        self._write(self._home / "enabled_plugins", "[rabbitmq_management].\n")
        _script()

    def programs(self) -> tuple[Program, ...]:
        """Return epmd and the node. epmd would else start by itself, as a daemon that outlives everybody."""
        return (
            self._program("epmd", (shutil.which("epmd") or "epmd", "-port", str(self._epmd_port))),
            self._program(self.name, (_script(),)),
        )

    def is_ready(self) -> bool:
        """Tell whether the definitions are loaded and clients can connect."""
        try:
            answer = requests.get(f"{self.management_url}/api/whoami", auth=self.credentials, timeout=5)
        except requests.RequestException:
            return False
        return answer.ok and is_answered(self.port)

    def last_words(self) -> str:
        """Return the end of the log, and what to do if the data was made by another version."""
        words = super().last_words()
        recent = tail(self.log, lines=_RECENT_LINES)
        if not any(sign in recent for sign in _FOREIGN_DATA):
            return words
        return (
            f"{words}\n\n{self._home / 'data'} was made by another version of RabbitMQ, and this one cannot go on with"
            f" it. Go back to that version, wait until no event is left in its queues, stop, remove that folder, and"
            f" start this version again. (docs/decisions/0008-rabbitmq-3-10-and-4.md)"
        )

    def _program(self, name: str, command: tuple[str, ...]) -> Program:
        return Program(
            name=name,
            command=command,
            environment=self._environment(),
            directory=self._home,
            log=self.log.with_stem(name),
            account=self._account,
        )

    def _environment(self) -> dict[str, str]:
        home = self._home
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(home),  # Erlang keeps its cookie there
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_FLAGS": "-start_epmd false",
            # The script then becomes the node instead of waiting beside it, so signals reach the node itself.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": "ates@localhost",
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(home / "rabbitmq-env.conf"),  # not the one of the machine
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +B i -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _write(self, path: Path, text: str) -> None:
        write_atomically(path, text)
        give(path, self._account)


def _script() -> str:
    if chosen := os.environ.get(_VARIABLE):
        if not os.access(chosen, os.X_OK):
            raise DeployError(f"{_VARIABLE} is {chosen!r}; it must be the path of a program rabbitmq-server.")
        return chosen
    for folder in _SCRIPTS:
        script = Path(folder, "rabbitmq-server")
        if script.exists():
            return str(script)
    raise MissingServerError("RabbitMQ is not installed. On Debian or Ubuntu: apt-get install rabbitmq-server")
