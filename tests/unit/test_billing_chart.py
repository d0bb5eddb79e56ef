from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_service.domain.chart import HEIGHT, WIDTH, bar_chart

MONDAY = date(2026, 11, 16)


def chart_of(*cents: int):
    return bar_chart([(MONDAY + timedelta(days=number), amount) for number, amount in enumerate(cents)])


@given(st.lists(st.integers(-(10**9), 10**9), max_size=31))
def test_every_bar_is_inside_the_picture_and_stands_on_the_zero_line(cents: list[int]) -> None:
    chart = chart_of(*cents)
    assert len(chart.bars) == len(cents)
    for bar in chart.bars:
        assert chart.left <= bar.x <= bar.x + bar.width <= WIDTH
        assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT + 0.1
        edge = bar.y if bar.cents < 0 else bar.y + bar.height
        assert edge == pytest.approx(chart.zero_y, abs=0.2)
        assert bar.label_x is None or chart.left < bar.label_x < WIDTH


@given(st.lists(st.integers(-(10**9), 10**9), max_size=31))
def test_the_lines_are_few_round_and_reach_around_all_amounts(cents: list[int]) -> None:
    amounts = [amount for amount, _ in chart_of(*cents).lines]
    assert 2 <= len(amounts) <= 10
    assert 0 in amounts
    assert min(amounts) <= min([0, *cents])
    assert max(amounts) >= max([0, *cents])
    assert all(amount % 100 == 0 for amount in amounts)


def test_a_month_has_a_few_labels_only() -> None:
    labels = [bar for bar in chart_of(*range(31)).bars if bar.label_x is not None]
    assert 4 <= len(labels) <= 6
