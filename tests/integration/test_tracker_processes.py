"""A reassignment with the tracker's real processes and a real broker, one of them killed in the middle of it."""

from collections import Counter
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from chassis.db import utc_now
from chassis.settings import Settings
from tests.integration.service_processes import running, variables
from tests.integration.tracker_house import House
from tests.waiting import eventually
from tracker_service.models import FINISHED, RUNNING, Task

TASKS = 6000


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    house = House(migrated("tracker", broker=True, ATES_URL_AUTH="http://127.0.0.1:1"))
    yield house
    house.close()


def test_a_run_whose_consumer_is_killed_goes_on_and_assigns_every_task_once(house: House) -> None:
    popugs, manager = [house.person() for _ in range(5)], house.person("manager")
    with house.database.transaction() as session:
        session.add_all(
            Task(title=f"Task {n}", assignee_id=popugs[0], created_by=popugs[0], created_at=utc_now(), version=2)
            for n in range(TASKS)
        )
    run_id = UUID(house.api(manager).post("/reassignments").json["id"])

    told = variables(house.settings)
    with running("tracker", "relay", told):
        with running("tracker", "consumer", told) as consumer:
            eventually(lambda: house.run(run_id).done >= 1000, every=0.01)
            consumer.kill()
        assert house.run(run_id).status == RUNNING
        with running("tracker", "consumer", told):
            eventually(lambda: house.run(run_id).status == FINISHED)

    assert house.run(run_id).done == TASKS
    charged = Counter(event.subject for event in house.published("task_assigned"))
    assert charged == {str(task.public_id): 1 for task in house.tasks()}
