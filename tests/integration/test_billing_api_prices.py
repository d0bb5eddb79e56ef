"""Prices and the rules for them by REST."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.billing_house import (
    Api,
    House,
    created,
    someone,
)


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    yield house
    house.dispose()


@pytest.fixture
def admin(house: House) -> Api:
    return house.api(house.person("admin", "Ara"))


def test_prices_of_tasks_are_told_to_anyone(house: House) -> None:
    rio, task = house.person(), someone()
    house.handle(created(task))
    answer = house.api(rio).get(f"/prices?task_ids={task},{someone()}").json
    (price,) = answer["items"]
    assert price["task_id"] == str(task)
    assert 1000 <= price["fee_cents"] <= 2000
    assert 2000 <= price["reward_cents"] <= 4000
    assert price["priced_at"].startswith("2026-11-21T09:00:00")


def test_prices_without_tasks_or_with_bad_ids_are_a_bad_request(house: House) -> None:
    api = house.api(house.person())
    assert api.get("/prices").status_code == 422
    assert api.get("/prices?task_ids=nut").status_code == 422


def test_an_administrator_changes_the_rules_for_tasks_yet_to_come(house: House, admin: Api) -> None:
    rules = {"fee_min_cents": 5, "fee_max_cents": 5, "reward_min_cents": 7, "reward_max_cents": 7}
    assert admin.put("/pricing-rules", rules).json == rules
    assert admin.get("/pricing-rules").json == rules
    task = someone()
    house.handle(created(task))
    (price,) = admin.get(f"/prices?task_ids={task}").json["items"]
    assert (price["fee_cents"], price["reward_cents"]) == (5, 7)


def test_rules_that_make_no_sense_are_refused_naming_the_field(admin: Api) -> None:
    rules = {"fee_min_cents": 9, "fee_max_cents": 5, "reward_min_cents": 7, "reward_max_cents": 7}
    answer = admin.put("/pricing-rules", rules)
    assert answer.status_code == 422
    assert list(answer.json["errors"]) == ["fee_max_cents"]
    assert admin.put("/pricing-rules", rules | {"fee_min_cents": 1.5}).status_code == 422
    assert admin.get("/pricing-rules").json["fee_min_cents"] == 1000
