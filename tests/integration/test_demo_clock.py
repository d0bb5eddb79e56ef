"""The business clock of a demonstration: it goes forward only, in each service, and only business heeds it."""

import importlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import text

from analytics_service.commands import forget_everything
from chassis.clock_offset import FURTHEST, MOST_AT_ONCE
from chassis.db import Database
from chassis.people import Role
from chassis.settings import DEFAULT_PORTS
from tests.chassis_parts import bearer, know_keys
from tests.integration import auth_house, tracker_house
from tests.waiting import eventually, somebody_waits_for_a_lock

DAY_S = 86_400
MOST_S = int(MOST_AT_ONCE.total_seconds())


@dataclass
class House:
    """A service with an administrator and a popug."""

    service: str
    app: Flask
    database: Database
    headers: dict[str, dict[str, str]]

    def put(self, body: Any, role: str = Role.ADMIN) -> Any:
        """Tell the clock what to show."""
        headers = self.headers.get(role, {})
        return self.app.test_client().put("/api/v1/clock", json=body, headers=headers)

    def move(self, seconds: int) -> Any:
        """Let the clock be so many seconds ahead."""
        return self.put({"ahead_seconds": seconds})

    def shown(self, role: str = Role.ADMIN) -> Any:
        """What the clock shows."""
        answer = self.app.test_client().get("/api/v1/clock", headers=self.headers[role])
        assert answer.status_code == 200, answer.json
        return answer.json


def open_house(service: str, migrated: Callable[..., Any], **environment: str) -> House:
    settings = migrated(service, **environment)
    if service == "auth":
        auth = auth_house.House(settings)
        for role in (Role.ADMIN, Role.POPUG):
            auth.person(role, role=role)
        headers = {str(role): {"Authorization": f"Bearer {auth.api(role).token}"} for role in (Role.ADMIN, Role.POPUG)}
        return House(service, auth.app, auth.database, headers)
    know_keys(settings)
    database = Database(settings)
    app = importlib.import_module(f"{service}_service.app").create_app(settings, database)
    headers = {str(role): bearer(sub=str(uuid4()), role=role) for role in (Role.ADMIN, Role.POPUG)}
    return House(service, app, database, headers)


@pytest.fixture(params=sorted(DEFAULT_PORTS))
def house(request: pytest.FixtureRequest, migrated: Callable[..., Any]) -> Iterator[House]:
    house = open_house(request.param, migrated, ATES_DEMO="1")
    yield house
    house.database.engine.dispose()


@pytest.fixture
def tracker(migrated: Callable[..., Any]) -> Iterator[House]:
    house = open_house("tracker", migrated, ATES_DEMO="1")
    yield house
    house.database.engine.dispose()


def test_a_clock_that_was_put_forward_shows_it_and_runs_on(house: House) -> None:
    assert house.shown()["ahead_seconds"] == 0
    answer = house.move(DAY_S)
    assert answer.status_code == 200
    assert answer.json["ahead_seconds"] == DAY_S
    ahead = datetime.fromisoformat(house.shown(Role.POPUG)["now"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < ahead < timedelta(hours=24, minutes=1)
    assert house.shown()["time_zone"] == "Europe/Moscow"


def test_the_same_request_again_changes_nothing(house: House) -> None:
    assert [house.move(DAY_S).status_code for _ in range(2)] == [200, 200]
    assert house.shown()["ahead_seconds"] == DAY_S


def test_no_clock_goes_back_or_further_than_three_days_at_once(house: House) -> None:
    house.move(DAY_S)
    for seconds in (0, DAY_S - 1, DAY_S + MOST_S + 1, -1, int(FURTHEST.total_seconds()) + 1, 2**63, 2**70):
        answer = house.move(seconds)
        assert (answer.status_code, list(answer.json["errors"])) == (422, ["ahead_seconds"]), seconds
    assert house.shown()["ahead_seconds"] == DAY_S
    assert house.move(DAY_S + MOST_S).status_code == 200


@pytest.mark.parametrize(
    "body", [{}, {"ahead_seconds": "60"}, {"ahead_seconds": 1.5}, {"ahead_seconds": None}, [], None]
)
def test_what_is_no_number_of_seconds_is_refused(tracker: House, body: Any) -> None:
    assert tracker.put(body).status_code == 422
    assert tracker.shown()["ahead_seconds"] == 0


def test_only_administrators_move_it_and_nobody_who_is_not_signed_in_sees_it(house: House) -> None:
    assert house.put({"ahead_seconds": 60}, Role.POPUG).status_code == 403
    assert house.put({"ahead_seconds": 60}, "nobody").status_code == 401
    assert house.app.test_client().get("/api/v1/clock").status_code == 401
    assert house.shown()["ahead_seconds"] == 0


@pytest.mark.parametrize(
    ("service", "demo"), [*((service, "0") for service in sorted(DEFAULT_PORTS)), ("tracker", ""), ("tracker", "yes")]
)
def test_an_installation_that_is_no_demonstration_has_no_such_address(
    service: str, demo: str, migrated: Callable[..., Any]
) -> None:
    house = open_house(service, migrated, ATES_DEMO=demo)
    client, admin = house.app.test_client(), house.headers[Role.ADMIN]
    assert house.move(60).status_code == 404
    assert client.get("/api/v1/clock", headers=admin).status_code == 404
    assert "/api/v1/clock" not in client.get("/api/openapi.json").text
    house.database.engine.dispose()


def test_of_many_moves_at_once_none_takes_the_clock_back(tracker: House) -> None:
    wanted = [hour * 3600 for hour in range(1, 41)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda seconds: (tracker.move(seconds).status_code, seconds), reversed(wanted)))
    assert {status for status, _ in answers} <= {200, 422}
    assert (
        tracker.shown()["ahead_seconds"] == max(seconds for status, seconds in answers if status == 200) == wanted[-1]
    )


def test_a_move_waits_for_one_that_is_not_committed_and_then_finds_that_it_would_go_back(tracker: House) -> None:
    with ThreadPoolExecutor(1) as pool:
        with tracker.database.transaction() as session:
            session.execute(text("UPDATE clock_offset SET seconds = 7200"))
            later = pool.submit(tracker.move, 3600)
            eventually(lambda: somebody_waits_for_a_lock(tracker.database.engine))
        assert later.result().status_code == 422
    assert tracker.shown()["ahead_seconds"] == 7200


def test_a_service_that_was_away_catches_up_step_by_step(house: House) -> None:
    ahead = 5 * DAY_S
    assert house.move(ahead).status_code == 422
    for seconds in (MOST_S, ahead):
        assert house.move(seconds).status_code == 200


def test_a_token_lives_as_long_as_ever(house: House) -> None:
    house.move(MOST_S)
    assert house.shown()["ahead_seconds"] == MOST_S  # by the same token


def test_who_is_blocked_and_let_in_again_gets_tokens_that_count_from_then_on(migrated: Callable[..., Any]) -> None:
    company = auth_house.House(migrated("auth", ATES_DEMO="1"))
    company.person("boss", role="admin")
    api = company.api("boss")
    headers = {"Authorization": f"Bearer {api.token}"}
    company.app.test_client().put("/api/v1/clock", json={"ahead_seconds": DAY_S}, headers=headers)
    kesha = company.person("kesha")
    for action in ("block", "unblock"):
        api.post(f"/users/{kesha}/{action}")
    created_at = company.user(kesha).created_at
    assert all(datetime.fromisoformat(told.data["changed_at"]) < created_at for told in company.published()[-3:])
    assert company.api("kesha").get("/me").status_code == 200
    company.close()


def test_a_task_is_created_when_the_clock_says_so(migrated: Callable[..., Any]) -> None:
    company = tracker_house.House(migrated("tracker", ATES_DEMO="1"))
    headers = bearer(sub=str(company.person("admin")), role=Role.ADMIN)
    moved: Any = company.app.test_client().put("/api/v1/clock", json={"ahead_seconds": DAY_S}, headers=headers)
    task = company.api(company.person()).create("Fly")
    assert datetime.fromisoformat(task["created_at"]) >= datetime.fromisoformat(moved.json["now"])
    company.close()


def test_billing_is_in_the_day_that_the_clock_shows(migrated: Callable[..., Any]) -> None:
    house = open_house("billing", migrated, ATES_DEMO="1")
    house.move(DAY_S)
    day = datetime.fromisoformat(house.shown()["now"]).astimezone(ZoneInfo(house.shown()["time_zone"])).date()
    income: Any = house.app.test_client().get("/api/v1/income", headers=house.headers[Role.ADMIN]).json
    assert income["items"][-1]["day"] == day.isoformat()
    house.database.engine.dispose()


def test_analytics_that_forgets_everything_still_knows_the_time(migrated: Callable[..., Any]) -> None:
    house = open_house("analytics", migrated, ATES_DEMO="1")
    house.move(DAY_S)
    with house.database.transaction() as session:
        forget_everything(session)
    assert house.shown()["ahead_seconds"] == DAY_S
    house.database.engine.dispose()
