from datetime import date, timedelta
from random import Random
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_service.domain import business_day, ledger
from billing_service.domain.closing import Movements, amount_to_pay, income
from billing_service.domain.ledger import Entry, Kind, Side, Transaction, Unbalanced
from billing_service.domain.pricing import PricingRules, check, draw_prices
from billing_service.domain.retries import ATTEMPTS, wait_after
from billing_service.domain.rights import may_see_account, may_see_all
from billing_service.errors import InvalidPricingRules

cents = st.integers(1, 10_000_000)
signed_cents = st.integers(-10_000_000, 10_000_000)
some_days = st.dates(date(2020, 1, 1), date(2040, 1, 1))
MOSCOW = ZoneInfo("Europe/Moscow")


# Prices


@given(st.integers())
def test_prices_lie_in_their_ranges_both_ends_included(seed: int) -> None:
    rules = PricingRules(fee_min_cents=1, fee_max_cents=3, reward_min_cents=5, reward_max_cents=5)
    prices = draw_prices(rules, Random(seed))
    assert prices.fee_cents in (1, 2, 3)
    assert prices.reward_cents == 5


def test_every_cent_of_a_range_is_drawn() -> None:
    rules = PricingRules(fee_min_cents=10, fee_max_cents=12)
    random = Random(7)
    assert {draw_prices(rules, random).fee_cents for _ in range(100)} == {10, 11, 12}


def test_the_rules_of_the_house_are_ten_to_twenty_and_twenty_to_forty_dollars() -> None:
    rules = PricingRules()
    check(rules)
    assert (rules.fee_min_cents, rules.fee_max_cents) == (1000, 2000)
    assert (rules.reward_min_cents, rules.reward_max_cents) == (2000, 4000)


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        (PricingRules(fee_min_cents=0), "fee_min_cents"),
        (PricingRules(fee_max_cents=-1), "fee_max_cents"),
        (PricingRules(reward_max_cents=10**9), "reward_max_cents"),
        (PricingRules(fee_min_cents=2001), "fee_max_cents"),
        (PricingRules(reward_min_cents=4001), "reward_max_cents"),
    ],
)
def test_rules_that_no_price_can_be_drawn_by_are_refused(rules: PricingRules, field: str) -> None:
    with pytest.raises(InvalidPricingRules) as refusal:
        check(rules)
    assert refusal.value.errors is not None
    assert list(refusal.value.errors) == [field]


# The ledger


@given(cents)
def test_every_movement_sums_to_zero(amount: int) -> None:
    for transaction in (
        ledger.fee(amount),
        ledger.reward(amount),
        ledger.payout(amount),
        ledger.correction(amount),
        ledger.correction(-amount),
    ):
        assert sum(entry.amount_cents for entry in transaction.entries) == 0
        assert transaction.employee.side is Side.EMPLOYEE


@given(cents)
def test_fees_go_to_the_company_rewards_come_from_it_and_payouts_leave_by_the_bank(amount: int) -> None:
    assert ledger.fee(amount) == Transaction(Kind.FEE, Entry(Side.EMPLOYEE, -amount), Entry(Side.COMPANY, amount))
    assert ledger.reward(amount) == Transaction(Kind.REWARD, Entry(Side.EMPLOYEE, amount), Entry(Side.COMPANY, -amount))
    assert ledger.payout(amount) == Transaction(Kind.PAYOUT, Entry(Side.EMPLOYEE, -amount), Entry(Side.BANK, amount))


@given(st.integers(max_value=0))
def test_only_a_positive_amount_is_charged_rewarded_or_paid_out(amount: int) -> None:
    for move in (ledger.fee, ledger.reward, ledger.payout):
        with pytest.raises(Unbalanced):
            move(amount)


def test_what_does_not_sum_to_zero_is_no_transaction() -> None:
    with pytest.raises(Unbalanced):
        Transaction(Kind.FEE, Entry(Side.EMPLOYEE, -100), Entry(Side.COMPANY, 99))
    with pytest.raises(Unbalanced):
        ledger.correction(0)


# Business days


def test_more_than_three_days_are_closed_together_only_when_each_of_them_was_confirmed() -> None:
    first, third, fourth = date(2026, 11, 21), date(2026, 11, 23), date(2026, 11, 24)
    assert business_day.may_close(first, third)
    assert not business_day.may_close(first, fourth)
    assert business_day.may_close(first, fourth, confirmed_from=first)
    assert not business_day.may_close(first, fourth, confirmed_from=date(2026, 11, 22))


@given(some_days, some_days)
def test_a_posting_goes_to_today_or_to_the_first_open_day_whichever_is_later(today: date, first_open: date) -> None:
    day = business_day.posting_day(today, first_open)
    assert day >= today
    assert day >= first_open
    assert day in (today, first_open)


@given(some_days, some_days, some_days)
def test_the_first_open_day_follows_the_last_closed_one(closed: date, known: date, today: date) -> None:
    assert business_day.first_open_day(closed, known, today) == closed + timedelta(days=1)
    assert business_day.first_open_day(None, known, today) == known
    assert business_day.first_open_day(None, None, today) == today


@given(some_days, st.integers(-3, 40))
def test_the_days_of_a_period_are_each_there_once_and_in_order(first: date, length: int) -> None:
    days = list(business_day.days(first, first + timedelta(days=length - 1)))
    assert len(days) == max(length, 0)
    assert days == sorted(set(days))


# The end of a day


@given(signed_cents)
def test_a_positive_balance_is_paid_out_whole_and_a_debt_is_left_alone(balance: int) -> None:
    amount = amount_to_pay(balance)
    assert amount >= 0
    assert balance - amount == min(balance, 0)


@given(signed_cents, cents, cents, signed_cents, cents)
def test_the_report_adds_up(opening: int, fees: int, rewards: int, corrections: int, payout: int) -> None:
    line = Movements(
        opening_cents=opening,
        fees_cents=fees,
        rewards_cents=rewards,
        corrections_cents=corrections,
        payout_cents=payout,
    )
    assert line.closing_cents == opening + rewards - fees + corrections - payout


def test_income_is_fees_minus_rewards_and_may_be_negative() -> None:
    assert income(1500, 2500) == -1000


# Letters and rights


def test_waits_between_attempts_grow_up_to_an_hour_and_then_the_letter_is_given_up() -> None:
    waits = [wait_after(attempts) for attempts in range(1, ATTEMPTS + 1)]
    assert waits[0] == timedelta(minutes=1)
    assert waits[-1] is None
    growing = [wait for wait in waits if wait is not None]
    assert growing == sorted(growing)
    assert max(growing) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("role", "sees_all"),
    [("popug", False), ("boss", False), ("manager", False), ("accountant", True), ("admin", True)],
)
def test_everyone_sees_their_own_and_accountants_and_admins_see_all(role: str, sees_all: bool) -> None:
    me, other = UUID(int=1), UUID(int=2)
    assert may_see_account(me, viewer_id=me, role=role)
    assert may_see_account(other, viewer_id=me, role=role) is sees_all
    assert may_see_all(role) is sees_all
