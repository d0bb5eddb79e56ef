"""A private Postgres cluster: its own data folder, on 127.0.0.1 alone, passwords for everybody."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg2

from deploy.accounts import become, give
from deploy.errors import DeployError, MissingServerError
from deploy.ports import LOOPBACK
from deploy.programs import Program, kill, processes_working_in
from deploy.servers.base import Server
from messaging.driver import connect

ADMINISTRATOR = "postgres"

#: Seconds that the children of a killed postmaster get to notice it, before they are killed too.
_ORPHANS_GRACE = 3.0

#: `synchronous_commit` stays on, as is the default: this database holds money.
SETTINGS = {
    "listen_addresses": LOOPBACK,
    # A socket's path may have 107 characters at most, and the state folder may be anywhere.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "effective_cache_size": "512MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    # The statement, and the details of an error, hold values: names, addresses, sums.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    # So it is known afterwards how long the handling of an event took: chassis.timeline.
    "track_commit_timestamp": "on",
    # Who holds a lock and is gone must let go of it soon.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "60s",
}

#: From version 14 on. After a crash every file is made sure of before anything else; one call for the whole file system
#: takes less than a second where one for each of a thousand files takes ten on a busy disk.
_QUICK_RECOVERY = {"recovery_init_sync_method": "syncfs"}

#: For data that nobody wants any more after the tests.
_THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "4GB"}


class PostgresServer(Server):
    """A Postgres cluster whose data is `<home>/data`."""

    name = "postgres"

    def __init__(
        self, home: Path, *, port: int, password: str, log: Path, account: str | None, throw_away: bool = False
    ) -> None:
        """Take the folder, the port, the administrator's password and the user to run as (None: the current).

        `throw_away` trades the safety of the data for speed.
        """
        super().__init__(log)
        self.port = port
        self._home = home
        self._data = home / "data"
        self._password = password
        self._account = account
        self._throw_away = throw_away
        self._orphans_since: float | None = None

    @property
    def url(self) -> str:
        """Return the administrator's URL, of the database `postgres`."""
        return f"postgresql://{ADMINISTRATOR}:{self._password}@{LOOPBACK}:{self.port}/postgres"

    def prepare(self) -> None:
        """Make the cluster, unless there is one."""
        if (self._data / "PG_VERSION").exists():
            return
        new, password_file = self._home / "data.new", self._home / "password"
        shutil.rmtree(new, ignore_errors=True)
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        give(password_file, self._account)
        command = [
            *become(self._account),
            str(self._binaries() / "initdb"),
            f"--pgdata={new}",
            f"--username={ADMINISTRATOR}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            *(["--no-sync"] if self._throw_away else []),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self._home, env=_environment())
        password_file.unlink()
        if done.returncode:
            raise DeployError(f"Postgres could not make its data folder {self._data}:\n{done.stderr.strip()}")
        new.rename(self._data)  # half a cluster never has the real name

    def programs(self) -> tuple[Program, ...]:
        """Return the postmaster."""
        settings = SETTINGS | {"port": str(self.port)} | (_THROW_AWAY if self._throw_away else {})
        if _version_number((self._data / "PG_VERSION").read_text()) >= 14:
            settings |= _QUICK_RECOVERY
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return (
            Program(
                name=self.name,
                command=(str(self._binaries() / "postgres"), "-D", str(self._data), *words),
                environment=_environment(),
                directory=self._home,
                log=self.log,
                account=self._account,
                stop_signal=signal.SIGINT,  # "fast": ends the sessions of clients, where SIGTERM waits for them
            ),
        )

    def is_ready(self) -> bool:
        """Tell whether the administrator can sign in."""
        try:
            connect(self.url, connect_timeout=2).close()
        except psycopg2.OperationalError as error:
            if "password authentication failed" in str(error):
                raise DeployError(f"The password in the state folder is not that of {self._data}: {error}") from error
            return False
        return True

    def may_start(self) -> bool:
        """Wait for, and in the end kill, children whose postmaster was killed; then forget its pid file.

        Postgres itself refuses to start if the number in `postmaster.pid` belongs to any other process by now.
        """
        orphans = processes_working_in(self._data)
        if not orphans:
            self._orphans_since = None
            (self._data / "postmaster.pid").unlink(missing_ok=True)
            return True
        now = time.monotonic()
        if self._orphans_since is None:
            self._orphans_since = now
        if now - self._orphans_since > _ORPHANS_GRACE:
            for pid in orphans:
                kill(pid)
        return False

    def _binaries(self) -> Path:
        """Return the folder with `postgres`: of the version that made the data, or else the newest there is."""
        version_file = self._data / "PG_VERSION"
        wanted = version_file.read_text().strip() if version_file.exists() else None
        installed = {
            path.parent.parent.name: path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")
        }
        if wanted in installed:
            return installed[wanted]
        on_path = shutil.which("postgres")
        if wanted is None and installed:
            return installed[max(installed, key=_version_number)]
        if on_path and (wanted is None or f" {wanted}." in _version_of(on_path)):
            return Path(on_path).resolve().parent
        if wanted and (installed or on_path):
            raise DeployError(
                f"{self._data} was made by Postgres {wanted}, which is not installed. Install it (apt-get install"
                f" postgresql-{wanted}), or start with another state folder: ATES_STATE_DIR=<folder> make up"
            )
        raise MissingServerError("Postgres is not installed. On Debian or Ubuntu: apt-get install postgresql")


def _version_number(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return 0.0


def _version_of(binary: str) -> str:
    return subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
