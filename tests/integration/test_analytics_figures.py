"""The figures that analytics draws from events, in whatever order and however often they arrive."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import UUID

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from chassis.settings import Settings
from messaging import Event
from tests.integration.analytics_house import Billing, House, made_up_history

MONDAY = date(2026, 11, 16)
DAYS = [MONDAY + timedelta(days=number) for number in range(7)]
TUESDAY = DAYS[1]
NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
WEEK = f"from={DAYS[0]}&to={DAYS[-1]}"


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    house = House(migrated("analytics", ATES_URL_AUTH="http://127.0.0.1:1"), at=NOON + timedelta(days=7))
    yield house
    house.close()


@pytest.fixture
def billing() -> Billing:
    return Billing()


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), data=st.data())
def test_shuffled_and_doubled_events_give_the_same_tables(house: House, seed: int, data: st.DataObject) -> None:
    billing = made_up_history(Random(seed), DAYS[:4])
    house.empty()
    house.deliver(*billing.events)
    in_order = house.contents()

    house.empty()
    twice = data.draw(st.lists(st.sampled_from(billing.events), max_size=10))
    for event in data.draw(st.permutations([*billing.events, *twice])):
        house.deliver(event)
    assert house.contents() == in_order

    for row in house.get(f"/days?{WEEK}").json["items"]:
        day = date.fromisoformat(row["day"])
        assert row["income_cents"] == billing.income(day)
        assert row["negative_accounts"] == sum(balance < 0 for balance in billing.balances(day).values())
    assert house.get("/reconciliation").json == {"agrees": True, "differences": []}


def test_it_is_emptied_and_rebuilt_from_history_with_the_same_result(house: House) -> None:
    billing = made_up_history(Random(1), DAYS)
    house.deliver(*billing.events)
    before = house.contents()
    house.empty()
    assert not any(house.contents().values())
    house.deliver(*billing.events)
    assert house.contents() == before


def test_today_is_the_day_in_the_business_time_zone(house: House, billing: Billing) -> None:
    billing.fee(1, MONDAY, 1500)
    billing.reward(2, MONDAY, 2500)
    billing.fee(1, TUESDAY, 700)
    house.deliver(*billing.events)
    house.clock.set(datetime(2026, 11, 16, 20, 59, tzinfo=UTC))  # 23:59 in Moscow
    today = house.get("/today").json
    assert today == {
        "day": "2026-11-16",
        "income_cents": -1000,
        "fees_cents": 1500,
        "rewards_cents": 2500,
        "negative_accounts": 1,
    }
    house.clock.set(datetime(2026, 11, 16, 21, 0, tzinfo=UTC))
    assert house.get("/today").json["income_cents"] == 700


def test_what_billing_posts_after_it_closed_today_early_is_of_today_here_as_well(
    house: House, billing: Billing
) -> None:
    billing.fee(1, MONDAY, 1500)
    billing.close(MONDAY)
    billing.fee(1, TUESDAY, 700)
    house.deliver(*billing.events)
    house.clock.set(NOON)
    assert (house.get("/today").json["day"], house.get("/today").json["income_cents"]) == (str(TUESDAY), 700)
    assert house.get("/days").json["items"][-1] == {"day": str(TUESDAY), "income_cents": 700, "negative_accounts": 1}
    assert house.get("/top-tasks").json["items"][-1]["period_end"] == str(TUESDAY)
    page = house.browser().get("/?lang=en").text
    assert "17 Nov 2026" in page
    assert "$7.00" in page


def test_the_clock_of_the_host_decides_no_day(house: House, billing: Billing) -> None:
    billing.fee(1, MONDAY, 1500)
    house.deliver(*billing.events)
    house.clock.set(NOON)
    with time_machine.travel(NOON + timedelta(days=1000), tick=False):
        assert house.get("/today").json["day"] == str(MONDAY)


def test_accounts_below_zero_are_counted_at_the_end_of_each_day_and_stay_until_cured(
    house: House, billing: Billing
) -> None:
    billing.fee(1, DAYS[1], 1000)
    billing.fee(2, DAYS[1], 1000)
    billing.reward(2, DAYS[1], 3000)
    billing.fee(3, DAYS[2], 1000)
    billing.reward(1, DAYS[4], 1000)
    house.deliver(*billing.events)
    items = house.get(f"/days?{WEEK}").json["items"]
    assert [row["negative_accounts"] for row in items] == [0, 1, 2, 2, 1, 1, 1]
    later = house.get("/days?from=2027-06-01&to=2027-06-01").json["items"]
    assert later == [{"day": "2027-06-01", "income_cents": 0, "negative_accounts": 1}]


def test_a_payout_of_a_missed_day_does_not_disturb_the_balance_of_that_day(house: House, billing: Billing) -> None:
    billing.reward(1, MONDAY, 3000)
    billing.fee(1, TUESDAY, 1500)
    billing.close(MONDAY)  # only now: its 30 $ are paid out, so Tuesday ends with -15 $
    house.deliver(*billing.events)
    items = house.get(f"/days?from={MONDAY}&to={TUESDAY}").json["items"]
    assert [row["negative_accounts"] for row in items] == [0, 1]
    assert house.get("/reconciliation").json["agrees"]


def test_the_most_expensive_task_of_each_day_with_its_newest_name(house: House, billing: Billing) -> None:
    billing.name(1, "Fly")
    billing.name(1, "Fly home", "POPUG-1")
    billing.reward(1, MONDAY, 2500, task=1)
    billing.reward(2, MONDAY, 2400, task=2)
    billing.reward(2, DAYS[2], 2100, task=3)
    house.deliver(*reversed(billing.events))
    items = house.get(f"/top-tasks?{WEEK}").json["items"]
    assert [(row["period_start"], row["period_end"]) for row in items] == [(str(day), str(day)) for day in DAYS]
    assert items[0]["task"] == {"id": str(UUID(int=1)), "title": "Fly home", "jira_id": "POPUG-1"}
    assert items[0]["reward_cents"] == 2500
    assert (items[1]["task"], items[1]["reward_cents"]) == (None, None)
    assert items[2]["task"] == {"id": str(UUID(int=3)), "title": None, "jira_id": None}


def test_the_most_expensive_task_of_weeks_and_months(house: House, billing: Billing) -> None:
    billing.reward(1, MONDAY, 2500, task=1)
    billing.reward(1, DAYS[6], 3900, task=2)
    billing.reward(1, DAYS[6] + timedelta(days=1), 3000, task=3)
    house.deliver(*billing.events)
    weeks = house.get("/top-tasks?period=week&from=2026-11-18&to=2026-11-24").json["items"]
    assert [(w["period_start"], w["period_end"], w["reward_cents"]) for w in weeks] == [
        ("2026-11-16", "2026-11-22", 3900),
        ("2026-11-23", "2026-11-29", 3000),
    ]
    months = house.get("/top-tasks?period=month&from=2026-10-31&to=2026-11-01").json["items"]
    assert [(m["period_start"], m["period_end"], m["reward_cents"]) for m in months] == [
        ("2026-10-01", "2026-10-31", None),
        ("2026-11-01", "2026-11-30", 3900),
    ]


def test_of_equal_rewards_the_earlier_completion_wins(house: House, billing: Billing) -> None:
    billing.reward(1, MONDAY, 2500, task=1, at=NOON + timedelta(hours=1))
    billing.reward(1, MONDAY, 2500, task=2, at=NOON)
    house.deliver(*billing.events)
    (top,) = house.get(f"/top-tasks?from={MONDAY}&to={MONDAY}").json["items"]
    assert top["task"]["id"] == str(UUID(int=2))


def test_both_versions_of_task_created_are_understood(house: House, billing: Billing) -> None:
    data = {"task_id": str(UUID(int=7)), "title": "[POPUG-7] Old", "description": ""}
    data |= {"created_by": str(UUID(int=1)), "created_at": "2026-11-01T09:00:00Z"}
    billing.events.append(Event.new("tracker.task_created.v1", subject=data["task_id"], sequence=1, data=data))
    billing.reward(1, MONDAY, 2500, task=7)
    house.deliver(*billing.events)
    (top,) = house.get(f"/top-tasks?from={MONDAY}&to={MONDAY}").json["items"]
    assert top["task"] == {"id": data["task_id"], "title": "Old", "jira_id": "POPUG-7"}


@pytest.mark.parametrize(
    ("damage", "figure"),
    [
        ("UPDATE income_days SET income_cents = income_cents + 1", "income_cents"),
        ("UPDATE movement_days SET fees_cents = fees_cents + 1", "fees_cents"),
        ("UPDATE movement_days SET negative_change = negative_change + 1", "negative_accounts"),
        ("UPDATE account_days SET balance_cents = balance_cents + 1", "balance_cents"),
        ("DELETE FROM income_days", "fees_cents"),
    ],
)
def test_it_says_when_its_figures_and_billings_disagree(
    house: House, billing: Billing, damage: str, figure: str
) -> None:
    billing.fee(1, MONDAY, 1500)
    billing.close(MONDAY)
    house.deliver(*billing.events)
    assert house.get("/reconciliation").json["agrees"]
    with house.database.transaction() as session:
        session.execute(text(damage))
    answer = house.get("/reconciliation").json
    assert answer["agrees"] is False
    assert figure in [difference["figure"] for difference in answer["differences"]]


def test_a_lost_movement_is_noticed_before_and_after_the_close(house: House, billing: Billing) -> None:
    billing.fee(1, MONDAY, 1500)
    billing.fee(1, MONDAY, 1000)
    lost = next(event for event in billing.events if event.name == "billing.transaction_posted")
    house.deliver(*(event for event in billing.events if event is not lost))
    house.clock.set(NOON + timedelta(seconds=5))  # what is missing may still be on its way
    open_day = house.get("/reconciliation").json["differences"]
    assert [(found["day"], found["figure"]) for found in open_day] == [(None, "balance_cents")]
    house.clock.set(NOON + timedelta(seconds=15))
    at_rest = house.get("/reconciliation").json["differences"]
    assert (str(MONDAY), "fees_cents", 2500, 1000) in [
        (found["day"], found["figure"], found["billing"], found["analytics"]) for found in at_rest
    ]
    house.deliver(lost)
    assert house.get("/reconciliation").json["agrees"]


@pytest.mark.parametrize("path", ["/today", "/days", "/top-tasks", "/reconciliation"])
def test_figures_are_for_admins_only(house: House, path: str) -> None:
    for role in ("popug", "boss", "accountant", "manager"):
        assert house.get(path, role).status_code == 403
    assert house.get(path).status_code == 200
    assert house.app.test_client().get(f"/api/v1{path}").status_code == 401


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-11-20&to=2026-11-19", "to"),
        ("from=2020-01-01&to=2026-11-19", "from"),
        ("from=yesterday", "from"),
        ("to=9999-12-31", "to"),
    ],
)
def test_a_range_that_cannot_be_shown_is_refused_by_field(house: House, query: str, field: str) -> None:
    for path in ("/days", "/top-tasks"):
        answer = house.get(f"{path}?{query}")
        assert answer.status_code == 422
        assert list(answer.json["errors"]) == [field]
    assert house.get("/top-tasks?period=year").status_code == 422
