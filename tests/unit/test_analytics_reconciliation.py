"""Where billing's word and our own figures disagree."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from analytics_service.domain.reconciliation import DayFigures, Difference, Money, differences

DAY = date(2026, 11, 20)
MONEY = Money(500, 300, 200)
CLOSED = DayFigures(DAY, MONEY, MONEY, MONEY, 2, 2)
OPEN = replace(CLOSED, closed=None, negative_closed=None)
WRONG = Money(500, 310, 190)


def test_when_all_sources_agree_there_is_nothing_to_say() -> None:
    assert list(differences([CLOSED, OPEN])) == []


@pytest.mark.parametrize("source", ["announced", "moved"])
def test_a_closed_day_is_compared_with_what_we_show_and_with_the_movements(source: str) -> None:
    change: dict[str, Any] = {source: WRONG}
    assert list(differences([replace(CLOSED, **change)])) == [
        Difference(DAY, "rewards_cents", 300, 310),
        Difference(DAY, "income_cents", 200, 190),
    ]


def test_the_same_wrong_figure_is_told_once() -> None:
    assert len(list(differences([replace(CLOSED, announced=WRONG, moved=WRONG)]))) == 2


def test_an_open_day_is_compared_with_what_billing_announced() -> None:
    assert [d.figure for d in differences([replace(OPEN, moved=WRONG)])] == ["rewards_cents", "income_cents"]


def test_accounts_below_zero_are_compared_at_the_close() -> None:
    assert list(differences([replace(CLOSED, negative_moved=3)])) == [Difference(DAY, "negative_accounts", 2, 3)]
    assert list(differences([replace(OPEN, negative_moved=3)])) == []
