"""One running copy of the system: the servers and all processes, from nothing to ready and back."""

import json
import subprocess
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from deploy import definitions
from deploy.accounts import server_home
from deploy.databases import create_service_database
from deploy.errors import DeployError
from deploy.lock import StateLock
from deploy.migrations import is_up_to_date
from deploy.ports import LOOPBACK, pick_free, require_free
from deploy.processes import (
    KINDS,
    STANDBYS,
    Access,
    all_process_names,
    has_web_server,
    migration,
    outlining,
    process,
    process_names,
    seeding,
)
from deploy.programs import Program, start, stop
from deploy.readiness import Readiness
from deploy.run_file import Run, run_file, targets_file, write_run, write_targets
from deploy.secrets import Secrets
from deploy.servers import PostgresServer, RabbitServer
from deploy.servers.base import START_TIMEOUT, Server, tail
from deploy.settings import SERVICES, VHOST, Deployment
from deploy.supervisor import Supervisor
from deploy.topology import TopologyKeeper

_EPMD, _SERVERS, _SERVICES = range(3)

#: Seconds that each stage gets to end, 12.5 in all. RabbitMQ 3.10 with its console needs 6, however idle it is.
_GRACE = {_SERVICES: 4.5, _SERVERS: 7.5, _EPMD: 0.5}

#: Seconds for the migrations, the demo company and the first answers.
_STEP_TIMEOUT = 120.0


class System:
    """Everything that `make up` starts. `bring_up`, `keep_up`, and `bring_down` in any case."""

    def __init__(self, deployment: Deployment, lock: StateLock) -> None:
        """Take the settings and the lock, which is held already."""
        self._deployment = deployment
        self._lock = lock
        #: Those of epmd and of Erlang's distribution.
        self._private_ports = pick_free(2, avoid=deployment.ports.values())
        self._secrets = Secrets(deployment.state_dir / "secrets.json")
        self.supervisor = Supervisor(on_change=self._write_down)
        self._postgres = self._make_postgres()
        self._rabbitmq = self._make_rabbitmq()
        self._topology: definitions.Definitions = {}
        self._access: dict[str, Access] = {}
        self._health_ports: dict[str, int] = {}
        self._tasks: list[tuple[Program, subprocess.Popen[bytes]]] = []
        self._people: list[dict[str, str]] | None = None

    def bring_up(self) -> Run:
        """Start everything and wait until it is ready. Raises DeployError saying what to do, or StopRequested."""
        run_file(self._deployment.state_dir).unlink(missing_ok=True)
        require_free(self._deployment.ports)
        readiness = Readiness(self._health_address)
        self._begin(outlining(self._deployment))
        self._start_server(self._postgres)
        self._finish()
        outline = self._read("outline.json")
        self._rabbitmq.definitions = definitions.as_json(definitions.users(self._broker_passwords()), outline["vhost"])
        self._topology = outline["vhost"]
        self._start_server(self._rabbitmq)
        self._wait_for_server(self._postgres)
        self._access = {service: self._grant(service) for service in SERVICES}
        self._migrate(outline["migrations"])
        self._begin(seeding(self._deployment, self._access))
        self._start_processes("web")
        self._wait_for_server(self._rabbitmq)
        self._start_processes("consumer", "relay")
        self._finish()
        self._wait_for_processes(readiness)
        names = all_process_names(self._deployment)
        write_targets(self._deployment.state_dir, {name: self._health_address(name) for name in names})
        self._people = self._read("people.json")
        if self._deployment.relay_standbys:
            self._start_processes(STANDBYS)  # nobody needs to wait for these
        self.supervisor.tell_of_change()  # now that it is known who the people are
        return self._run(self._people)

    def keep_up(self) -> None:
        """Restart whatever dies, and make again what is deleted in RabbitMQ, until a stop is requested."""
        stop = threading.Event()
        keeper = TopologyKeeper(self._rabbitmq.management_url, self._rabbitmq.credentials, VHOST, self._topology)
        threading.Thread(target=keeper.run, args=(stop,), name="topology", daemon=True).start()
        try:
            self.supervisor.run()
        finally:
            stop.set()

    def bring_down(self) -> None:
        """End everything within 15 seconds, also when the state folder cannot be changed."""
        self._people = None
        with ExitStack() as steps:  # from the last one to the first, each whatever becomes of the others
            steps.callback(self.supervisor.end_all, grace=_GRACE.__getitem__)
            steps.callback(self._abandon)
            for path in (targets_file(self._deployment.state_dir), run_file(self._deployment.state_dir)):
                steps.callback(path.unlink, missing_ok=True)
            steps.callback(self._lock.say_stopping)

    def _make_postgres(self) -> PostgresServer:
        deployment = self._deployment
        home, account = server_home(deployment.state_dir, "postgres", "postgres")
        return PostgresServer(
            home,
            port=deployment.postgres_port,
            password=self._secrets.get("postgres"),
            log=deployment.logs_dir / "postgres.log",
            account=account,
        )

    def _make_rabbitmq(self) -> RabbitServer:
        deployment = self._deployment
        home, account = server_home(deployment.state_dir, "rabbitmq", "rabbitmq")
        epmd_port, distribution_port = self._private_ports
        return RabbitServer(
            home,
            port=deployment.amqp_port,
            management_port=deployment.management_port,
            private_ports=(epmd_port, distribution_port),
            password=self._broker_passwords()[definitions.ADMINISTRATOR],
            log=deployment.logs_dir / "rabbitmq.log",
            account=account,
        )

    def _broker_passwords(self) -> dict[str, str]:
        return {name: self._secrets.get(f"rabbitmq.{name}") for name in (definitions.ADMINISTRATOR, *SERVICES)}

    def _grant(self, service: str) -> Access:
        database = create_service_database(
            self._postgres.url,
            service,
            database=f"ates_{service}",
            owner_password=self._secrets.get(f"{service}.owner"),
            app_password=self._secrets.get(f"{service}.app"),
        )
        password = self._secrets.get(f"rabbitmq.{service}")
        return Access(
            database=database,
            amqp_url=f"amqp://{service}:{password}@{LOOPBACK}:{self._deployment.amqp_port}/{VHOST}",
            secret_key=self._secrets.get(f"{service}.secret_key"),
        )

    def _start_server(self, server: Server) -> None:
        server.prepare()
        for program in server.programs():
            stage = _EPMD if program.name == "epmd" else _SERVERS
            self.supervisor.add(program, stage=stage, may_start=server.may_start)

    def _start_processes(self, *kinds: str) -> None:
        for kind in kinds:
            for name in process_names(kind):
                program = process(self._deployment, self._access, name, health_port=self._health_port(name))
                self.supervisor.add(program, stage=_SERVICES, livez=f"{self._health_address(name)}/livez")

    def _health_port(self, name: str) -> int | None:
        """Return where the process answers probes: a port chosen when first asked for, None if it is a web server."""
        if has_web_server(name):
            return None
        if name not in self._health_ports:
            taken = (*self._deployment.ports.values(), *self._private_ports, *self._health_ports.values())
            (self._health_ports[name],) = pick_free(1, avoid=taken)
        return self._health_ports[name]

    def _health_address(self, name: str) -> str:
        port = self._health_port(name)
        service = name.partition(".")[0]
        return self._deployment.service_urls[service] if port is None else f"http://{LOOPBACK}:{port}"

    def _wait_for_server(self, server: Server) -> None:
        try:
            self.supervisor.wait_for(f"The start of {server.name}", server.is_ready, timeout=START_TIMEOUT)
        except DeployError as error:
            raise DeployError(f"{error} The end of {server.log}:\n{server.last_words()}") from error

    def _wait_for_processes(self, readiness: Readiness) -> None:
        names = [name for kind in KINDS for name in process_names(kind)]
        try:
            self.supervisor.wait_for("The start of the services", readiness.all_of(names), timeout=_STEP_TIMEOUT)
        except DeployError as error:
            name = next((name for name in names if not readiness.is_ready(name)), names[0])
            log = self._deployment.logs_dir / f"{name}.log"
            raise DeployError(f"{error} {name} is not ready. The end of {log}:\n{tail(log)}") from error

    def _migrate(self, newest: Mapping[str, list[str]]) -> None:
        for service, access in self._access.items():
            if not is_up_to_date(newest[service], access.database.owner_url):
                self._begin(migration(self._deployment, self._access, service))
        self._finish()

    def _begin(self, task: Program) -> None:
        """Start a program that is to end by itself, beside all others."""
        self._tasks.append((task, start(task)))

    def _finish(self) -> None:
        """Wait until every such program has ended with success. Raises DeployError with the log of one that has not."""
        names = " and ".join(task.name for task, _ in self._tasks)
        self.supervisor.wait_for(names, self._tasks_have_ended, timeout=_STEP_TIMEOUT)
        for task, ended in self._tasks:
            if ended.returncode:
                raise DeployError(f"{task.name} failed. The end of {task.log}:\n{tail(task.log)}")
        self._tasks.clear()

    def _tasks_have_ended(self) -> bool:
        return all(process.poll() is not None for _, process in self._tasks)

    def _abandon(self) -> None:
        for task, running in self._tasks:
            stop(task, running, grace=0.5)
        self._tasks.clear()

    def _read(self, name: str) -> Any:
        """Return what a program has written that ended by itself."""
        return json.loads((self._deployment.state_dir / name).read_text(encoding="utf-8"))

    def _write_down(self) -> None:
        """Bring the files up to date that tell who runs: for our successor, and, once all is ready, for people."""
        running = self.supervisor.running()
        self._lock.record(running.values())
        if self._people is not None:
            write_run(self._deployment.state_dir, self._run(self._people))

    def _run(self, people: list[dict[str, str]]) -> Run:
        user, password = self._rabbitmq.credentials
        return Run(
            services=self._deployment.service_urls,
            rabbitmq={
                "amqp": self._rabbitmq.amqp_url(VHOST),
                "management": self._rabbitmq.management_url,
                "user": user,
                "password": password,
            },
            databases={service: access.database.owner_url for service, access in self._access.items()},
            processes=[
                {"name": name, "pid": identity.pid} | self._health_of(name)
                for name, identity in self.supervisor.running().items()
                if name != "epmd"  # belongs to RabbitMQ
            ],
            people=people,
            restarts=self.supervisor.restarts(),
            ending_again_and_again=self.supervisor.ending_again_and_again(),
        )

    def _health_of(self, name: str) -> dict[str, str]:
        is_ours = name.partition(".")[0] in SERVICES
        return {"health": self._health_address(name)} if is_ours else {}
