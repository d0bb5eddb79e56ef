"""A reassignment with the tracker's real processes and a real broker, one of them killed in the middle of it."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from chassis.db import utc_now
from chassis.settings import Settings
from tests.integration.tracker_house import House
from tests.waiting import eventually
from tracker_service.models import FINISHED, RUNNING, Task

REPOSITORY = Path(__file__).parents[2]
TASKS = 6000


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    house = House(migrated("tracker", broker=True, ATES_URL_AUTH="http://127.0.0.1:1"))
    yield house
    house.close()


@contextmanager
def process(house: House, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m tracker_service relay`, and so on; killed at the end unless it is dead by then."""
    settings = house.settings
    env = os.environ | {
        "TRACKER_DATABASE_URL": settings.database_url,
        "TRACKER_AMQP_URL": settings.amqp_url,
        "TRACKER_SECRET_KEY": settings.secret_key,
        "ATES_STATE_DIR": str(settings.state_dir),
    }
    command = [sys.executable, "-m", "tracker_service", name]
    with subprocess.Popen(command, cwd=REPOSITORY, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as it:
        try:
            yield it
        finally:
            it.kill()


def test_a_run_whose_consumer_is_killed_goes_on_and_assigns_every_task_once(house: House) -> None:
    popugs, manager = [house.person() for _ in range(5)], house.person("manager")
    with house.database.transaction() as session:
        session.add_all(
            Task(title=f"Task {n}", assignee_id=popugs[0], created_by=popugs[0], created_at=utc_now(), version=2)
            for n in range(TASKS)
        )
    run_id = UUID(house.api(manager).post("/reassignments").json["id"])

    with process(house, "relay"):
        with process(house, "consumer") as consumer:
            eventually(lambda: house.run(run_id).done >= 1000, timeout=30, every=0.01)
            consumer.kill()
        assert house.run(run_id).status == RUNNING
        with process(house, "consumer"):
            eventually(lambda: house.run(run_id).status == FINISHED, timeout=60)

    assert house.run(run_id).done == TASKS
    charged = Counter(event.subject for event in house.published("task_assigned"))
    assert charged == {str(task.public_id): 1 for task in house.tasks()}
