"""The geometry of the bars."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.domain.chart import HEIGHT, WIDTH, bar_chart

MONDAY = date(2026, 11, 16)


def days(*cents: int) -> list[tuple[date, int]]:
    return [(MONDAY + timedelta(days=number), amount) for number, amount in enumerate(cents)]


def test_bars_stand_on_zero_or_hang_from_it() -> None:
    chart = bar_chart(days(1000, -500, 0))
    up, down, none = chart.bars
    assert up.y + up.height == pytest.approx(chart.zero_y, abs=0.02)
    assert down.y == chart.zero_y
    assert up.height == pytest.approx(2 * down.height, abs=0.02)
    assert none.height == 0


def test_lines_lie_at_round_amounts() -> None:
    assert [tick.cents for tick in bar_chart(days(7300, -1200)).ticks] == [-2000, 0, 2000, 4000, 6000, 8000]


def test_without_any_amount_there_is_still_a_chart() -> None:
    assert bar_chart(days(0, 0)).bars[0].height == 0
    assert bar_chart([]).bars == []


@given(st.lists(st.integers(-(10**9), 10**9), max_size=366))
def test_everything_stays_inside(cents: list[int]) -> None:
    chart = bar_chart(days(*cents))
    assert 2 <= len(chart.ticks) <= 12
    assert 0 <= chart.zero_y <= HEIGHT
    for bar in chart.bars:
        assert chart.left <= bar.x < bar.x + bar.width <= WIDTH + 0.02
        assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT + 0.02
    assert sum(bar.label_x is not None for bar in chart.bars) <= 6
