"""The geometry of a chart of money by day."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.chart import HEIGHT, WIDTH, Chart, bar_chart

MONDAY = date(2026, 11, 16)


def chart_of(*cents: int) -> Chart:
    return bar_chart([(MONDAY + timedelta(days=number), amount) for number, amount in enumerate(cents)])


def test_bars_stand_on_zero_or_hang_from_it_as_long_as_their_amounts() -> None:
    chart = chart_of(1000, -500, 0)
    up, down, none = chart.bars
    assert up.y + up.height == pytest.approx(chart.zero_y, abs=0.1)
    assert down.y == chart.zero_y
    assert up.height == pytest.approx(2 * down.height, abs=0.2)
    assert none.height == 0


def test_lines_lie_at_round_amounts() -> None:
    assert [line.cents for line in chart_of(7300, -1200).lines] == [-2000, 0, 2000, 4000, 6000, 8000]


def test_without_any_amount_there_is_still_a_chart() -> None:
    assert chart_of(0, 0).bars[0].height == 0
    assert chart_of().bars == []


@given(st.lists(st.integers(-(10**9), 10**9), max_size=366))
def test_everything_stays_inside_and_on_the_zero_line(cents: list[int]) -> None:
    chart = chart_of(*cents)
    assert len(chart.bars) == len(cents)
    assert 0 <= chart.zero_y <= HEIGHT
    for bar in chart.bars:
        assert chart.left <= bar.x <= bar.x + bar.width <= WIDTH + 0.1
        assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT + 0.1
        edge = bar.y if bar.cents < 0 else bar.y + bar.height
        assert edge == pytest.approx(chart.zero_y, abs=0.2)
        assert bar.label_x is None or chart.left < bar.label_x < WIDTH


@given(st.lists(st.integers(-(10**9), 10**9), max_size=366))
def test_the_lines_are_few_round_and_reach_around_all_amounts(cents: list[int]) -> None:
    amounts = [line.cents for line in chart_of(*cents).lines]
    assert 2 <= len(amounts) <= 10
    assert 0 in amounts
    assert min(amounts) <= min([0, *cents])
    assert max(amounts) >= max([0, *cents])
    assert all(amount % 100 == 0 for amount in amounts)


def test_a_month_has_a_few_labels_only() -> None:
    labels = [bar for bar in chart_of(*range(31)).bars if bar.label_x is not None]
    assert 4 <= len(labels) <= 6
