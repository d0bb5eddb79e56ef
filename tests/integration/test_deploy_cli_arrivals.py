"""`./ates verify` finds what RabbitMQ has lost, and names the replay that mends it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from chassis.settings import EXCHANGE, Settings
from deploy.cli import arrivals
from deploy.cli.arrivals import Arrivals, Missing, check_arrivals
from deploy.run_file import Run, read_run, write_run
from deploy.settings import SERVICES, load_deployment
from messaging import Consumer, RabbitBroker, Relay, publish
from messaging.topology import events_queue
from tests.conftest import Vhost
from tests.integration.operator_house import Operator, Replayer, at_work, registered
from tests.waiting import eventually


@contextmanager
def running(run: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Company:
    """All databases and queues, and of the processes those that a test wants."""

    def __init__(self, operator: Operator, settings: dict[str, Settings]) -> None:
        self.operator = operator
        self.settings = settings

    @property
    def run(self) -> Run:
        return read_run(load_deployment({"ATES_STATE_DIR": str(self.operator.state_dir)}))

    def register(self, count: int) -> None:
        for _ in range(count):
            with self.operator.databases["auth"].transaction() as session:
                publish(session, registered())

    def relay(self, service: str) -> Relay:
        settings = self.settings[service]
        return Relay(settings.database_url, RabbitBroker(settings.amqp_url, name="relay"), exchange=EXCHANGE)

    def consumer(self, service: str) -> Consumer:
        database, handlers = self.operator.databases[service], import_module(f"{service}_service.handlers").HANDLERS
        broker = RabbitBroker(self.settings[service].amqp_url, name="consumer")
        return Consumer(service, broker, database.sessions, handlers, database.registry, exchange=EXCHANGE)


@pytest.fixture
def company(
    migrated: Callable[..., Any], vhost: Vhost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Company]:
    settings = {service: migrated(service, broker=True) for service in SERVICES}
    monkeypatch.setattr(arrivals, "VHOST", vhost.name)
    with at_work(tmp_path, settings) as operator:
        company = Company(operator, settings)
        user, password = vhost.server.credentials
        console = {"management": vhost.server.management_url, "user": user, "password": password}
        write_run(tmp_path, Run(**{**vars(company.run), "rabbitmq": console}))
        yield company


def counted(found: list[Missing]) -> dict[str, int]:
    return {missing.subscription.service: missing.events for missing in found}


@pytest.mark.slow
def test_events_that_went_with_a_queue_are_lost_and_those_in_a_queue_are_on_their_way(
    company: Company, vhost: Vhost, monkeypatch: pytest.MonkeyPatch
) -> None:
    vhost.manage("DELETE", f"queues/{{vhost}}/{events_queue('billing')}")
    company.register(3)
    monkeypatch.setattr(arrivals, "_COUNTED_AFTER", timedelta(0))
    with running(company.relay("auth").run), running(company.consumer("tracker").run):

        def found() -> tuple[dict[str, int], dict[str, int]]:
            arrived: Arrivals = check_arrivals(company.run, wait=0)
            return counted([*arrived.lost]), counted([*arrived.on_the_way])

        eventually(lambda: found() == ({"billing": 3}, {"analytics": 3}), every=0.5)

        told = company.operator.run("verify", "--wait", 0)
        assert told.exit_code == 1
        assert "  3 of auth to analytics" in told.output.splitlines()
        (mended_by,) = [line for line in told.output.splitlines() if "3 of auth to billing" in line]
        words = mended_by.partition("./ates ")[2].split()
        assert words[:5] == ["replay", "--to", "billing", "--from", "auth"]
        done = Replayer(company.operator).ates(*words[1:])
        assert done.returncode == 0, done.stderr

        with running(company.consumer("analytics").run):
            eventually(lambda: found() == ({}, {}), every=0.5)
    assert "Every event has arrived." in company.operator.run("verify", "--wait", 0).output


def test_what_was_just_published_may_take_its_time(company: Company) -> None:
    company.register(1)
    with running(company.relay("auth").run):
        eventually(lambda: company.operator.json("outbox")["pending"] == 0)
        arrived = check_arrivals(company.run, wait=0)
    assert (arrived.lost, arrived.on_the_way) == ([], [])
