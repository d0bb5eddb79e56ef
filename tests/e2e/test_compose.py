"""docker-compose.yml with a real engine, for whoever has one: `make test-compose`."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.e2e.containers import OURS, PATIENCE, SERVERS, Containers
from tests.e2e.parrots import Parrot
from tests.waiting import eventually

pytestmark = [pytest.mark.compose, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    project = Containers()
    try:
        project.compose("up", "--detach")
        project.wait_until_well()
        yield project
    finally:
        project.compose("down", "--volumes")


@pytest.fixture(scope="module")
def admin(containers: Containers, tmp_path_factory: pytest.TempPathFactory) -> Parrot:
    photo = containers.beak("arseny", tmp_path_factory.mktemp("beaks"))
    who = {"id": "", "name": "", "role": "admin", "beak": str(photo)}
    return Parrot({"services": containers.urls}, who)


def a_task_is_charged(admin: Parrot) -> Any:
    """Create a task and follow it through all services, up to the figures of analytics."""
    before = admin.get("analytics", "/api/v1/today")["income_cents"]
    task = admin.post("tracker", "/api/v1/tasks", {"title": "Carry a crate"}, expect=201)

    def entries() -> list[Any]:
        found = admin.everything("billing", f"/api/v1/accounts/{task['assignee']['id']}/entries")
        return [entry for entry in found if entry["task"] and entry["task"]["id"] == task["id"]]

    (fee,) = eventually(entries, timeout=PATIENCE)
    return eventually(
        lambda: admin.get("analytics", "/api/v1/today")["income_cents"] == before - fee["amount_cents"],
        timeout=PATIENCE,
    )


def test_a_task_goes_through_all_services_to_the_ledger_and_the_figures(admin: Parrot) -> None:
    assert a_task_is_charged(admin)


def test_a_browser_is_sent_to_addresses_that_it_can_reach(containers: Containers) -> None:
    with requests.Session() as browser:
        page = browser.get(containers.urls["tracker"], timeout=30)
    assert page.status_code == 200
    assert [answer.url.split("?")[0] for answer in (*page.history, page)][-1] == f"{containers.urls['auth']}/sign-in"


def test_no_container_shows_a_secret_and_none_runs_as_root(containers: Containers) -> None:
    for service in OURS:
        told = containers.in_container(service, "cat", "/proc/1/environ", "/proc/self/status").decode()
        assert "postgresql://" not in told
        assert "amqp://" not in told
        assert "\nUid:\t1000\t" in told


@pytest.mark.parametrize("service", OURS)
def test_a_process_that_dies_is_started_again_and_nobody_else_minds(containers: Containers, service: str) -> None:
    containers.signal(service, "KILL")
    containers.wait_until_well()


def test_a_process_that_hangs_is_ended_and_started_again(containers: Containers, admin: Parrot) -> None:
    containers.signal("tracker-relay", "STOP")
    containers.wait_until_well()
    assert a_task_is_charged(admin)


@pytest.mark.parametrize("service", SERVERS)
def test_a_server_that_was_away_is_found_again(containers: Containers, admin: Parrot, service: str) -> None:
    containers.compose("kill", service)
    containers.compose("start", service)
    containers.wait_until_well()
    assert a_task_is_charged(admin)


def test_every_process_ends_when_it_is_told_to_also_while_its_servers_are_away(
    containers: Containers, admin: Parrot
) -> None:
    containers.compose("kill", "rabbitmq", "postgres")
    containers.compose("stop", "--timeout", "60", *OURS)
    ended = {service: containers.state(service)["ExitCode"] for service in OURS}
    containers.compose("up", "--detach")
    containers.wait_until_well()
    assert a_task_is_charged(admin)
    by_itself = (0, 128 + signal.SIGTERM)  # in the midst of what it did, if a server kept it waiting
    assert {service: code for service, code in ended.items() if code not in by_itself} == {}
