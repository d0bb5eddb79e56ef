"""Each process and each server is killed in turn while work goes on: nothing is lost, nothing happens twice."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.e2e.parrots import Parrot
from tests.waiting import eventually

PATIENCE = 90
VICTIMS = (
    "tracker.relay",
    "billing.consumer",
    "tracker.web",
    "billing.relay",
    "tracker.consumer",
    "analytics.consumer",
    "tracker.scheduler",
    "rabbitmq",
    "postgres",
)


def pids(run_file: Path) -> dict[str, int]:
    try:
        return {p["name"]: p["pid"] for p in json.loads(run_file.read_text())["processes"]}
    except FileNotFoundError:
        return {}


def persist(send: Callable[[], requests.Response]) -> requests.Response:
    """Ask until somebody answers, as a person would press the button again."""

    def answered() -> requests.Response | None:
        try:
            answer = send()
        except requests.ConnectionError:
            return None
        return answer if answer.status_code < 500 else None

    answer = eventually(answered, timeout=PATIENCE)
    assert answer is not None
    return answer


@pytest.mark.timeout(400)
def test_whatever_is_killed_comes_back_and_every_task_is_charged_exactly_once(system: dict[str, Any]) -> None:
    run_file = Path(system["people"][0]["beak"]).parents[1] / "run.json"
    people = {person["role"]: person for person in system["people"]}
    worker, accountant = (Parrot(system, people[role]) for role in ("popug", "accountant"))

    def create(n: int) -> str:
        key = {"Idempotency-Key": str(uuid4())}
        url = f"{system['services']['tracker']}/api/v1/tasks"
        headers = {"Authorization": f"Bearer {worker.token}", **key}
        answer = persist(lambda: requests.post(url, json={"title": f"Perch {n}"}, headers=headers, timeout=15))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    created = []
    for number, victim in enumerate(VICTIMS):
        before = eventually(lambda name=victim: pids(run_file).get(name), timeout=PATIENCE)
        created.append(create(2 * number))
        os.kill(before, signal.SIGKILL)
        created.append(create(2 * number + 1))
        eventually(lambda name=victim, old=before: pids(run_file).get(name) not in (None, old), timeout=PATIENCE)

    def fees() -> list[str]:
        found = []
        for person in system["people"]:
            path = f"/api/v1/accounts/{person['id']}/entries"
            answer = persist(lambda p=path: accountant.ask("GET", "billing", p, params={"limit": 200}))
            found += [e["task"]["id"] for e in answer.json()["items"] if e["kind"] == "fee"]
        return [task_id for task_id in found if task_id in created]

    eventually(lambda: sorted(fees()) == sorted(created), timeout=PATIENCE)
    admin = Parrot(system, people["admin"])
    for service in ("tracker", "billing"):
        eventually(lambda s=service: admin.get(s, "/api/v1/messages/outbox")["pending"] == 0, timeout=PATIENCE)
        assert admin.get(service, "/api/v1/messages/dead-letters")["items"] == []
