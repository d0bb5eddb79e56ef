"""The parts of a demonstration that need no running system: what is planned, who is who, how clocks are put forward."""

from datetime import date, timedelta
from random import Random

import pytest

from auth_service.domain.person import person
from chassis.clock_offset import MOST_AT_ONCE as MOST_OF_A_SERVICE
from deploy.demo.clock import MOST_AT_ONCE, steps
from deploy.demo.names import key_and_name
from deploy.demo.people import address, right_address, role_of, wrong_address
from deploy.demo.plan import Accident, plan_days

MONDAY, SATURDAY = date(2026, 11, 23), date(2026, 11, 28)
MOST_S = int(MOST_AT_ONCE.total_seconds())


@pytest.mark.parametrize("days", [1, 2, 3, 5, 7, 30, 366])
def test_every_accident_happens_once_and_in_its_order_however_short_the_month(days: int) -> None:
    plan = plan_days(MONDAY, days, Random(1))
    assert [one for day in plan for one in day.accidents] == list(Accident)
    assert [day.day for day in plan] == [MONDAY + timedelta(days=n) for n in range(days)]


@pytest.mark.parametrize("seed", range(5))
def test_in_a_month_there_are_hundreds_of_tasks_and_the_button_is_pressed_again_and_again(seed: int) -> None:
    plan = plan_days(MONDAY, 30, Random(seed))
    assert sum(day.tasks for day in plan) > 300
    assert sum(day.reassigns for day in plan) >= 4
    assert all(day.tasks > 0 for day in plan)
    assert all(0 < day.share_done < 1 for day in plan)


def test_little_is_done_at_weekends_but_the_month_begins_with_much_to_do() -> None:
    assert min(day.tasks for day in plan_days(SATURDAY, 2, Random(2))) > 10
    plan = plan_days(MONDAY, 28, Random(2))
    weekends = [day.tasks for day in plan if day.day.weekday() >= 5]
    others = [day.tasks for day in plan if day.day.weekday() < 5]
    assert max(weekends) < min(others)


def test_the_same_chance_plans_the_same_month() -> None:
    assert plan_days(MONDAY, 30, Random(7)) == plan_days(MONDAY, 30, Random(7))


def test_two_hundred_parrots_have_names_and_addresses_of_their_own() -> None:
    keys, names = zip(*map(key_and_name, range(200)), strict=True)
    assert len(set(keys)) == 200
    assert len(set(names[:40])) == 40
    for key, name in zip(keys, names, strict=True):
        assert person(name, address(key), "popug").email == address(key)


def test_a_name_is_that_of_a_man_or_of_a_woman() -> None:
    names = [key_and_name(number)[1].split() for number in range(40)]
    assert all(surname.endswith(("а", "ая")) == (number % 2 == 1) for number, (_, surname) in enumerate(names))


def test_of_forty_who_join_a_few_have_other_roles() -> None:
    roles = [role_of(place) for place in range(40)]
    assert (roles.count("popug"), roles.count("boss"), roles.count("accountant")) == (35, 3, 2)


def test_a_wrong_address_is_taken_by_auth_and_can_be_put_right() -> None:
    right = address("kuzma-1")
    wrong = wrong_address(right)
    assert person("Kuzma", wrong, "popug").email == wrong != right
    assert right_address(wrong) == right_address(right) == right


@pytest.mark.parametrize("ahead", [0, 5, MOST_S])
def test_a_clock_that_is_far_behind_catches_up_in_steps_that_a_service_allows(ahead: int) -> None:
    assert MOST_AT_ONCE == MOST_OF_A_SERVICE
    target = ahead + 10 * MOST_S + 7
    moves = list(steps(ahead, target))
    assert moves[-1] == target
    assert all(0 < later - earlier <= MOST_S for earlier, later in zip([ahead, *moves], moves, strict=False))


def test_a_clock_that_is_there_already_stays() -> None:
    assert list(steps(5, 5)) == list(steps(6, 5)) == []
