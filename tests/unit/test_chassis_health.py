"""A process with more than one loop tells of all of them."""

from pathlib import Path

import pytest

from chassis.conditions import WAITING_FOR_PERSON
from chassis.observe import probes
from chassis.observe.probes import LOST_AFTER, HealthOfAll, LoopHealth, WebHealth
from messaging import Health
from tests.chassis_parts import settings


class Silent(Health):
    """Of a loop that has been lost."""

    def seconds_since_turn(self) -> float:
        return LOST_AFTER + 1


def loop(doing: str, *, ready: bool = True, health: type[Health] = Health) -> LoopHealth:
    made = health()
    made.turn(doing, ready=ready)
    return LoopHealth(made)


def test_when_all_is_well_everything_is_told() -> None:
    both = HealthOfAll([loop("consuming"), loop("running jobs")])
    assert both.ready() == both.alive() == (True, "consuming; running jobs")


def test_one_that_is_not_ready_is_told_alone_and_the_process_is_alive() -> None:
    asked = f"{WAITING_FOR_PERSON}: 4 days"
    both = HealthOfAll([loop("consuming"), loop(asked, ready=False)])
    assert both.ready() == (False, asked)
    assert both.alive()[0]


@pytest.mark.parametrize("lost", ["consuming", "running jobs"])
def test_a_process_with_a_loop_that_is_lost_is_not_alive_whichever_it_is(lost: str) -> None:
    names = ("consuming", "running jobs")
    both = HealthOfAll([loop(name, health=Silent if name == lost else Health) for name in names])
    alive, doing = both.alive()
    assert not alive
    assert doing == f"{lost}, and has not come round for 121 s"


def test_requests_do_not_wait_for_what_jobs_beside_them_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "answers", lambda _settings: True)
    web = WebHealth(settings(tmp_path))
    assert web.ready() == web.alive() == (True, "serving")
    web.jobs = loop("waiting", ready=False)
    assert web.ready() == web.alive() == (True, "serving; waiting")


def test_a_web_server_whose_jobs_are_lost_is_not_alive(tmp_path: Path) -> None:
    web = WebHealth(settings(tmp_path))
    web.jobs = loop("running jobs", health=Silent)
    assert not web.alive()[0]
