"""The four clocks of a demonstration, which show the same whatever becomes of a service meanwhile."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from deploy.demo.client import Person
from deploy.demo.clock import MOST_AT_ONCE, Clock
from deploy.errors import DeployError
from deploy.settings import SERVICES

DAY_S = 86_400
#: What the clocks of the databases show, before they are put forward.
REAL = datetime(2026, 11, 23, 6, tzinfo=UTC)


class Services(Person):
    """An administrator, and the clocks that there are to be put forward."""

    def __init__(self, ahead: dict[str, int], *, demo: bool = True) -> None:
        super().__init__({}, id="1", name="Arseny", role="admin", beak=Path("nowhere"))
        self.ahead = ahead
        self.demo = demo
        self.moved: list[str] = []

    def ask(self, method: str, service: str, *_path: str, **options: Any) -> Any:
        if not self.demo:
            return _answer(404, {})
        if method == "PUT":
            seconds = options["json"]["ahead_seconds"]
            if not 0 <= seconds - self.ahead[service] <= MOST_AT_ONCE.total_seconds():
                return _answer(422, {})
            self.ahead[service] = seconds
            self.moved.append(service)
        now = REAL + timedelta(seconds=self.ahead[service])
        shown = {"ahead_seconds": self.ahead[service], "now": now.isoformat(), "time_zone": "Europe/Moscow"}
        return _answer(200, shown)


def _answer(status: int, body: dict[str, Any]) -> Any:
    answer = requests.Response()
    answer.status_code = status
    answer.json = lambda **_: body  # type: ignore[method-assign]
    return answer


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def same(seconds: int) -> dict[str, int]:
    return dict.fromkeys(SERVICES, seconds)


def test_a_service_that_was_left_behind_catches_up_with_the_others(pool: ThreadPoolExecutor) -> None:
    services = Services(same(20 * DAY_S) | {"tracker": 3, "billing": 0})
    Clock(services, pool)
    assert services.ahead == same(20 * DAY_S)


def test_clocks_that_show_the_same_are_left_alone(pool: ThreadPoolExecutor) -> None:
    services = Services(same(DAY_S))
    Clock(services, pool)
    assert services.moved == []


def test_all_clocks_are_put_forward_to_a_moment_billing_first(pool: ThreadPoolExecutor) -> None:
    services = Services(same(0))
    clock = Clock(services, pool)
    clock.pass_until(clock.at(date(2026, 11, 25), 9))
    assert len(set(services.ahead.values())) == 1
    assert services.moved[0] == "billing"
    assert services.ahead["billing"] == pytest.approx(2 * DAY_S, abs=60)


def test_a_moment_that_is_over_moves_nothing(pool: ThreadPoolExecutor) -> None:
    services = Services(same(0))
    clock = Clock(services, pool)
    clock.pass_until(clock.at(date(2026, 11, 22), 9))
    assert services.moved == []


def test_where_somebody_else_has_put_a_clock_further_all_go_there_in_the_end(pool: ThreadPoolExecutor) -> None:
    services = Services(same(0))
    clock = Clock(services, pool)
    services.ahead["tracker"] = 2 * DAY_S
    clock.pass_until(clock.now + timedelta(hours=1))
    clock.even_out()
    assert services.ahead == same(2 * DAY_S)


def test_the_clocks_of_a_company_in_earnest_are_not_touched(pool: ThreadPoolExecutor) -> None:
    with pytest.raises(DeployError, match="no demonstration"):
        Clock(Services(same(0), demo=False), pool)


def test_a_clock_that_cannot_be_put_forward_is_named(pool: ThreadPoolExecutor) -> None:
    services = Services(same(0))
    clock = Clock(services, pool)
    services.ahead["analytics"] = -10 * DAY_S
    with pytest.raises(DeployError, match="analytics"):
        clock.pass_until(clock.now + timedelta(hours=1))
