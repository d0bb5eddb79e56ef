"""Events in, money out: in any order, any number of times."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import permutations
from random import Random
from typing import Any
from uuid import UUID

import pytest

from billing_service import commands
from billing_service.domain.pricing import PricingRules
from messaging import Event, PermanentError
from tests.integration.billing_house import (
    DAY,
    NOON,
    ONE_DAY,
    House,
    assigned,
    batches,
    completed,
    created,
    history,
    someone,
    updated,
    user,
)


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    yield house
    house.dispose()


def prices(house: House, task_id: UUID) -> tuple[int, int]:
    (row,) = house.rows("SELECT fee_cents, reward_cents FROM tasks WHERE task_id = :task_id", task_id=task_id)
    return row.fee_cents, row.reward_cents


def set_rules(house: House, *, fee_cents: int, reward_cents: int) -> None:
    """Let every task that is new from now on have these prices."""
    rules = PricingRules(
        fee_min_cents=fee_cents, fee_max_cents=fee_cents, reward_min_cents=reward_cents, reward_max_cents=reward_cents
    )
    with house.database.transaction() as session:
        commands.set_pricing_rules(session, rules, by=someone())


def test_an_assignment_costs_the_fee_and_a_completion_earns_the_reward(house: House) -> None:
    rio, task = someone(), someone()
    house.handle(user(rio), created(task), assigned(task, rio))
    fee, reward = prices(house, task)
    assert 1000 <= fee <= 2000
    assert 2000 <= reward <= 4000
    assert house.balance(rio) == -fee
    house.handle(completed(task, rio))
    assert house.balance(rio) == reward - fee
    assert house.problems() == []


def test_a_reassignment_charges_the_new_assignee_and_refunds_nothing(house: House) -> None:
    rio, kea, task = someone(), someone(), someone()
    house.handle(assigned(task, rio, number=1), assigned(task, kea, number=2), assigned(task, kea, number=3))
    fee, reward = prices(house, task)
    assert (house.balance(rio), house.balance(kea)) == (-fee, -2 * fee)
    house.handle(completed(task, kea))
    assert (house.balance(rio), house.balance(kea)) == (-fee, reward - 2 * fee)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_task_is_priced_once_whoever_is_heard_of_first(house: House, order: tuple[int, ...]) -> None:
    rio, task = someone(), someone()
    events = [created(task), assigned(task, rio), completed(task, rio), updated(task, sequence=5, title="Crack a nut")]
    for index in order:
        house.handle(events[index])
    fee, reward = prices(house, task)
    assert house.balance(rio) == reward - fee
    (priced,) = house.events("task_priced")
    assert priced.data["fee_cents"] == fee
    assert priced.data["reward_cents"] == reward
    (words,) = house.rows("SELECT title, jira_id, description FROM tasks")
    assert tuple(words) == ("Crack a nut", None, "Crack a nut, quickly")
    assert house.problems() == []


@pytest.mark.parametrize("seed", range(6))
def test_shuffled_and_doubled_the_same_history_leads_to_the_same_money(
    migrated: Callable[..., Any], house: House, seed: int
) -> None:
    made = history(Random(seed), people=6, tasks=25)
    other = House(migrated("billing"))
    for each in (house, other):  # ranges of one cent: the houses draw the same prices
        set_rules(each, fee_cents=1234, reward_cents=3210)
    for batch in batches(made.random, made.events):
        house.handle(*batch)
    shuffled = made.events * 2
    made.random.shuffle(shuffled)
    for batch in batches(made.random, shuffled):
        other.handle(*batch)

    movements = """
        SELECT movement.kind, task_id, assignment_no, account.user_id, amount_cents, cause_event_id
        FROM ledger_transactions movement
        JOIN ledger_entries entry ON entry.transaction_id = movement.id
        JOIN accounts account ON account.id = entry.account_id AND account.kind = 'employee'
    """
    assert Counter(house.rows(movements)) == Counter(other.rows(movements))
    assert {person: house.balance(person) for person in made.people} == {
        person: other.balance(person) for person in made.people
    }
    income = "SELECT day, fees_cents, rewards_cents FROM days"
    assert house.rows(income) == other.rows(income)
    for each in (house, other):
        assert each.problems() == []
        kinds = Counter(row.kind for row in each.rows(movements))
        assert (kinds["fee"], kinds["reward"]) == (made.fees, made.rewards)
        _check_money(each)
    other.dispose()


def _check_money(house: House) -> None:
    """Balances and income follow from prices and movements, computed here once more from the events published."""
    balances: Counter[str] = Counter()
    fees = rewards = 0
    for event in house.events("transaction_posted"):
        balances[event.data["user_id"]] += event.data["amount_cents"]
        assert event.data["balance_after_cents"] == balances[event.data["user_id"]]
        fees -= event.data["amount_cents"] if event.data["kind"] == "fee" else 0
        rewards += event.data["amount_cents"] if event.data["kind"] == "reward" else 0
    for row in house.rows("SELECT user_id, balance_cents FROM accounts WHERE kind = 'employee'"):
        assert row.balance_cents == balances[str(row.user_id)]
    income = house.events("management_income_changed")[-1].data
    assert (income["fees_cents"], income["rewards_cents"]) == (fees, rewards)
    assert income["income_cents"] == fees - rewards


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("made", "words"),
    [
        (assigned, "fee of task {task}, assignment 1, was posted before, -.* cents for {rio}: .* for {kea}"),
        (completed, "reward of task {task} was posted before, .* cents for {rio}: .* for {kea}"),
    ],
)
def test_a_charge_or_a_reward_that_was_posted_to_somebody_else_is_refused_and_says_so(
    house: House, made: Callable[[UUID, UUID], Event], words: str, known: bool
) -> None:
    rio, kea, task = someone(), someone(), someone()
    house.handle(user(rio), made(task, rio))
    if known:
        house.handle(user(kea))
    before = house.balance(rio), house.events()
    with pytest.raises(PermanentError, match=words.format(task=task, rio=rio, kea=kea)):
        house.handle(made(task, kea))
    house.handle(made(task, rio))  # the same once more, as another event
    assert (house.balance(rio), house.events()) == before
    assert house.problems() == []


def test_the_sequence_of_every_aggregate_has_no_gap_and_goes_up_in_the_order_of_sending(house: House) -> None:
    made = history(Random(5), people=5, tasks=15)
    for batch in batches(made.random, made.events * 2):
        house.handle(*batch)
    house.close(DAY, at=NOON)
    house.handle(*(user(person, sequence=7, status="blocked") for person in made.people[:2]))
    seen: Counter[str] = Counter()
    for event in house.events():
        seen[event.subject] += 1
        assert event.sequence == seen[event.subject]
    assert len(seen) == len(made.people) + 15 + 1


def test_every_event_names_the_one_that_caused_it(house: House) -> None:
    rio, task = someone(), someone()
    event = assigned(task, rio)
    house.handle(event)
    published = house.events()
    assert {each.causation_id for each in published} == {event.id}
    (posted,) = house.events("transaction_posted")
    assert posted.data["cause_event_id"] == str(event.id)
    assert posted.data["task_id"] == str(task)


def test_an_account_is_opened_at_first_sight_and_named_when_the_name_arrives(house: House) -> None:
    rio, task = someone(), someone()
    house.handle(assigned(task, rio))
    assert house.balance(rio) < 0
    house.handle(user(rio, name="Rio"))
    (opened,) = house.events("account_opened")
    assert opened.data["user_id"] == str(rio)
    assert opened.sequence == 1
    assert [row.name for row in house.rows("SELECT name FROM users")] == ["Rio"]


def test_a_posting_after_midnight_belongs_to_the_new_day(house: House) -> None:
    rio, first, second = someone(), someone(), someone()
    late = NOON.replace(hour=20, minute=59)
    house.handle(assigned(first, rio), at=late)
    house.handle(assigned(second, rio), at=late.replace(hour=21, minute=0))
    days = house.rows("SELECT business_day FROM ledger_transactions ORDER BY posted_at")
    assert [row.business_day for row in days] == [DAY, DAY + ONE_DAY]


def test_a_change_of_the_pricing_rules_touches_no_task_already_priced(house: House) -> None:
    old, new = someone(), someone()
    house.handle(created(old))
    before = prices(house, old)
    set_rules(house, fee_cents=5, reward_cents=7)
    house.handle(created(new), created(old))
    assert prices(house, new) == (5, 7)
    assert prices(house, old) == before
