"""The balance of an account at the end of each day, whatever order its movements arrive in."""

from collections import Counter
from datetime import date, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from analytics_service.domain.balances import post, post_all

MONDAY = date(2026, 11, 16)
TUESDAY = MONDAY + timedelta(days=1)

MOVEMENTS = st.lists(
    st.tuples(st.integers(0, 6).map(lambda number: MONDAY + timedelta(days=number)), st.integers(-300, 300)),
    max_size=12,
)


def test_a_fee_takes_a_new_account_below_zero() -> None:
    posted = post([], MONDAY, -100)
    assert posted.balances == {MONDAY: -100}
    assert posted.crossings == {MONDAY: 1}


def test_the_balance_stays_until_the_next_movement() -> None:
    posted = post([(MONDAY, -100)], TUESDAY, -50)
    assert posted.balances == {TUESDAY: -150}
    assert posted.crossings == {}


def test_a_payout_of_a_day_closed_late_changes_the_days_behind_it() -> None:
    # On Monday 30 were earned, on Tuesday 15 charged; then Monday is closed and its 30 are paid out.
    posted = post([(MONDAY, 30), (TUESDAY, 15)], MONDAY, -30)
    assert posted.balances == {MONDAY: 0, TUESDAY: -15}
    assert posted.crossings == {TUESDAY: 1}


def test_a_reward_cures_only_from_its_day_on() -> None:
    posted = post([(MONDAY, -100)], TUESDAY, 300)
    assert posted.crossings == {TUESDAY: -1}


def test_a_movement_for_an_earlier_day_is_taken_back_where_the_sign_was_the_same_already() -> None:
    posted = post([(TUESDAY, -10)], MONDAY, -10)
    assert posted.balances == {MONDAY: -10, TUESDAY: -20}
    assert posted.crossings == {MONDAY: 1, TUESDAY: -1}


@given(MOVEMENTS)
def test_balances_and_crossings_add_up_to_the_sums_whatever_the_order(movements: list[tuple[date, int]]) -> None:
    balances: dict[date, int] = {}
    crossings: Counter[date] = Counter()
    for day, cents in movements:
        posted = post(balances.items(), day, cents)
        balances |= posted.balances
        crossings.update(posted.crossings)

    for number in range(-1, 8):
        day = MONDAY + timedelta(days=number)
        total = sum(cents for moved, cents in movements if moved <= day)
        known = [moved for moved in balances if moved <= day]
        assert (balances[max(known)] if known else 0) == total
        assert sum(change for moved, change in crossings.items() if moved <= day) == (total < 0)


ACCOUNTS = [UUID(int=number) for number in range(3)]


@given(st.lists(st.tuples(st.sampled_from(ACCOUNTS), MOVEMENTS), max_size=4), MOVEMENTS)
def test_movements_together_do_what_they_do_one_after_the_other(
    of_accounts: list[tuple[UUID, list[tuple[date, int]]]], before: list[tuple[date, int]]
) -> None:
    known: dict[UUID, dict[date, int]] = {account: {} for account in ACCOUNTS}
    for day, cents in before:
        known[ACCOUNTS[0]] |= post(known[ACCOUNTS[0]].items(), day, cents).balances
    at_first = [(account, day, cents) for account in ACCOUNTS for day, cents in known[account].items()]
    movements = [(account, day, cents) for account, moved in of_accounts for day, cents in moved]
    crossings: Counter[date] = Counter()
    for account, day, cents in movements:
        posted = post(known[account].items(), day, cents)
        known[account] |= posted.balances
        crossings.update(posted.crossings)

    together = post_all(at_first, movements)

    assert {**{(a, d): c for a, d, c in at_first}, **together.balances} == {
        (account, day): cents for account in ACCOUNTS for day, cents in known[account].items()
    }
    assert +together.crossings == +crossings
    assert -together.crossings == -crossings
