"""The end of the day: whoever is owed is paid, debts are carried, and no day closes twice."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from billing_service.errors import DayNotFound, FutureDay
from tests.integration.billing_house import DAY, NOON, ONE_DAY, House, assigned, completed, someone, user

EVENING = NOON + ONE_DAY / 2


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    yield house
    house.dispose()


def test_a_positive_balance_is_paid_out_and_a_debt_is_carried(house: House) -> None:
    rich, poor, idle = someone(), someone(), someone()
    house.handle(user(rich), user(poor), user(idle))
    house.post(rich, 2500)
    house.post(poor, -1500)
    assert house.close(DAY, at=NOON + ONE_DAY) == [DAY]

    assert (house.balance(rich), house.balance(poor), house.balance(idle)) == (0, -1500, 0)
    (payout,) = house.rows("SELECT day, amount_cents, letter FROM payouts")
    assert tuple(payout) == (DAY, 2500, "pending")
    (made,) = house.events("payout_made")
    assert (made.data["user_id"], made.data["amount_cents"], made.data["day"]) == (str(rich), 2500, str(DAY))
    carried = {event.data["user_id"]: event.data["balance_cents"] for event in house.events("balance_carried")}
    assert carried == {str(poor): -1500, str(idle): 0}
    (closed,) = house.events("day_closed")
    assert closed.data["payouts_count"] == 1
    assert closed.data["payouts_cents"] == 2500
    assert closed.data["negative_accounts"] == 1
    assert house.problems() == []


def test_a_debt_is_cured_by_completed_tasks_only_and_paid_from_what_is_left(house: House) -> None:
    rio, task = someone(), someone()
    house.handle(assigned(task, rio, number=1), assigned(task, rio, number=2), assigned(task, rio, number=3))
    debt = house.balance(rio)
    house.close(DAY, at=NOON + ONE_DAY)
    assert house.balance(rio) == debt < 0
    house.handle(completed(task, rio), at=NOON + ONE_DAY)
    left = house.balance(rio)
    house.close(DAY + ONE_DAY, at=NOON + 2 * ONE_DAY)
    assert house.balance(rio) == min(left, 0)
    assert sum(row.amount_cents for row in house.rows("SELECT amount_cents FROM payouts")) == max(left, 0)


def test_closing_twice_pays_once_and_answers_the_same(house: House) -> None:
    rio = someone()
    house.post_to_new(rio, 4000)
    assert house.close(DAY, at=NOON) == [DAY]
    first, events = house.report(DAY), house.events()
    assert house.close(DAY, at=NOON + ONE_DAY) == []
    assert house.report(DAY) == first
    assert house.events() == events
    assert first.totals.payout_cents == 4000
    assert first.totals.closing_cents == 0


def test_each_missed_day_is_closed_in_order_with_its_own_balances(house: House) -> None:
    rio, kea = someone(), someone()
    house.post_to_new(rio, 1000)
    house.post_to_new(kea, -700)
    house.post(rio, 200, at=NOON + 2 * ONE_DAY)
    house.post(kea, 900, at=NOON + 2 * ONE_DAY)
    house.post(rio, -300, at=NOON + 3 * ONE_DAY)  # today: of no concern to the days before

    closed = house.close(DAY + 2 * ONE_DAY, at=NOON + 3 * ONE_DAY)
    assert closed == [DAY, DAY + ONE_DAY, DAY + 2 * ONE_DAY]
    payouts = house.rows(
        "SELECT user_id, day, amount_cents FROM payouts JOIN accounts ON accounts.id = account_id ORDER BY day, user_id"
    )
    assert sorted(tuple(row) for row in payouts) == sorted(
        [(rio, DAY, 1000), (rio, DAY + 2 * ONE_DAY, 200), (kea, DAY + 2 * ONE_DAY, 200)]
    )
    assert (house.balance(rio), house.balance(kea)) == (-300, 0)
    assert [event.data["day"] for event in house.events("day_closed")] == [str(day) for day in closed]
    negative = [event.data["negative_accounts"] for event in house.events("day_closed")]
    assert negative == [1, 1, 0]
    openings = [house.report(day).totals.opening_cents for day in closed]
    closings = [house.report(day).totals.closing_cents for day in closed]
    assert openings == [0, -700, -700]
    assert closings == [-700, -700, 0]
    assert house.problems() == []


def test_a_person_who_came_later_is_in_no_report_of_the_days_before(house: House) -> None:
    rio, kea = someone(), someone()
    house.handle(user(rio))
    house.handle(user(kea), at=NOON + ONE_DAY)
    house.close(DAY, at=NOON + ONE_DAY)
    assert [line.user_id for line in house.report(DAY).lines] == [rio]
    assert [event.data["user_id"] for event in house.events("balance_carried")] == [str(rio)]


def test_today_may_be_closed_early_and_what_follows_belongs_to_tomorrow(house: House) -> None:
    rio, task = someone(), someone()
    house.handle(assigned(task, rio))
    house.close(DAY, at=NOON)
    house.handle(completed(task, rio), at=EVENING - timedelta(hours=6))
    (reward,) = house.rows("SELECT business_day FROM ledger_transactions WHERE kind = 'reward'")
    assert reward.business_day == DAY + ONE_DAY
    assert house.close(DAY, at=EVENING - timedelta(hours=5)) == []
    with pytest.raises(FutureDay):
        house.close(DAY + ONE_DAY, at=EVENING - timedelta(hours=5))
    assert house.close(DAY + ONE_DAY, at=NOON + ONE_DAY) == [DAY + ONE_DAY]
    assert house.problems() == []


def test_a_day_to_come_cannot_be_closed_and_a_day_before_the_books_began_is_unknown(house: House) -> None:
    house.handle(user(someone()))
    with pytest.raises(FutureDay):
        house.close(DAY + ONE_DAY, at=NOON)
    assert house.close(DAY - ONE_DAY, at=NOON) == []
    with pytest.raises(DayNotFound):
        house.report(DAY - ONE_DAY)


def test_the_report_names_everyones_opening_movements_and_closing(house: House) -> None:
    rio, first, second = someone(), someone(), someone()
    house.handle(user(rio, name="Rio"), assigned(first, rio))
    fee = -house.balance(rio)
    house.close(DAY, at=NOON + ONE_DAY)
    house.handle(assigned(second, rio), completed(first, rio), completed(second, rio), at=NOON + ONE_DAY)
    house.post(rio, 11, at=NOON + ONE_DAY)
    house.close(DAY + ONE_DAY, at=NOON + 2 * ONE_DAY)
    report = house.report(DAY + ONE_DAY)
    (line,) = report.lines
    assert line.name == "Rio"
    assert line.movements == report.totals
    moved = report.totals
    assert moved.opening_cents == -fee
    assert moved.corrections_cents == 11
    assert moved.payout_cents == -fee + moved.rewards_cents - moved.fees_cents + 11
    assert moved.closing_cents == 0
    income = house.events("day_closed")[-1].data
    assert income["fees_cents"] == moved.fees_cents
    assert income["income_cents"] == moved.fees_cents - moved.rewards_cents


def test_a_blocked_persons_account_is_paid_out_and_closed(house: House) -> None:
    rio = someone()
    house.post_to_new(rio, 3000)
    blocked = user(rio, sequence=2, status="blocked")
    house.handle(blocked)
    house.handle(blocked, user(rio, sequence=3, status="blocked", kind="user_updated"))
    assert house.balance(rio) == 0
    assert [row.amount_cents for row in house.rows("SELECT amount_cents FROM payouts")] == [3000]
    names = [event.name.removeprefix("billing.") for event in house.events() if event.data.get("user_id") == str(rio)]
    assert names[-4:] == ["transaction_posted", "balance_changed", "payout_made", "account_closed"]
    assert house.events("payout_made")[0].causation_id == blocked.id
    assert [row.status for row in house.rows("SELECT status FROM accounts WHERE user_id = :rio", rio=rio)] == ["closed"]
    house.close(DAY, at=NOON + ONE_DAY)
    (closed,) = house.events("day_closed")
    assert closed.data["payouts_cents"] == 3000
    assert house.events("balance_carried") == []
    assert house.problems() == []


def test_what_was_under_way_when_somebody_was_blocked_is_settled_with_the_day(house: House) -> None:
    rio, task = someone(), someone()
    house.post_to_new(rio, 3000)
    house.handle(user(rio, sequence=2, status="blocked"))
    house.handle(completed(task, rio))
    reward = house.balance(rio)
    assert reward > 0
    house.close(DAY, at=NOON + ONE_DAY)
    assert [row.amount_cents for row in house.rows("SELECT amount_cents FROM payouts ORDER BY made_at")] == [
        3000,
        reward,
    ]
    assert house.problems() == []


def test_a_block_closes_the_missed_days_first_so_that_nothing_is_paid_twice(house: House) -> None:
    rio = someone()
    house.post_to_new(rio, 3000)
    house.post(rio, 500, at=NOON + 2 * ONE_DAY)
    house.handle(user(rio, sequence=2, status="blocked"), at=NOON + 2 * ONE_DAY)
    payouts = [tuple(row) for row in house.rows("SELECT day, amount_cents FROM payouts ORDER BY day")]
    assert payouts == [(DAY, 3000), (DAY + 2 * ONE_DAY, 500)]
    assert house.close(DAY + ONE_DAY, at=NOON + 2 * ONE_DAY) == []
    assert house.balance(rio) == 0
    assert house.problems() == []


def test_a_block_heard_of_before_the_registration_closes_the_account_all_the_same(house: House) -> None:
    rio = someone()
    house.handle(user(rio, sequence=2, status="blocked"), user(rio, sequence=1))
    assert [event.name for event in house.events()] == ["billing.account_opened", "billing.account_closed"]


def test_an_unblocked_person_has_their_account_again(house: House) -> None:
    rio = someone()
    house.handle(user(rio), user(rio, sequence=2, status="blocked"), user(rio, sequence=3, kind="user_unblocked"))
    house.post(rio, 100)
    assert [event.sequence for event in house.events("account_opened")] == [1, 3]
    house.handle(user(rio, sequence=4, status="blocked"))
    assert house.balance(rio) == 0
    assert house.problems() == []


def test_the_debt_of_a_blocked_person_stays_in_the_books(house: House) -> None:
    rio = someone()
    house.post_to_new(rio, -900)
    house.handle(user(rio, sequence=2, status="blocked"))
    house.close(DAY, at=NOON + ONE_DAY)
    assert house.balance(rio) == -900
    assert [event.data["balance_cents"] for event in house.events("balance_carried")] == [-900]
    assert house.rows("SELECT * FROM payouts") == []


def test_the_robot_closes_every_day_that_is_over_and_leaves_today_alone(house: House) -> None:
    rio = someone()
    house.post_to_new(rio, 4000)
    house.robot(at=NOON + 3 * ONE_DAY)
    house.robot(at=NOON + 3 * ONE_DAY)
    days = [tuple(row) for row in house.rows("SELECT day, status FROM days ORDER BY day")]
    assert days == [
        (DAY, "closed"),
        (DAY + ONE_DAY, "closed"),
        (DAY + 2 * ONE_DAY, "closed"),
        (DAY + 3 * ONE_DAY, "open"),
    ]
    (run,) = house.rows("SELECT finished_at IS NOT NULL AS finished, checked_day, problems FROM robot_run")
    assert tuple(run) == (True, DAY + 2 * ONE_DAY, "")
    assert len(house.rows("SELECT * FROM payouts")) == 1


def test_the_books_of_a_new_house_begin_with_the_day_of_the_robots_first_look(house: House) -> None:
    house.robot(at=NOON)
    assert [tuple(row) for row in house.rows("SELECT day, status FROM days")] == [(DAY, "open")]
    house.robot(at=NOON + ONE_DAY)
    (closed,) = house.events("day_closed")
    assert closed.data["day"] == str(DAY)
