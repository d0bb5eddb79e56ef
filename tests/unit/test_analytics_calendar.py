"""Business days, weeks and months."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.domain.calendar import Period, Span, period_of, periods_in, span
from analytics_service.errors import RangeRunsBackwards, RangeTooLong

TODAY = date(2026, 11, 21)
DAYS = st.dates(date(2000, 1, 1), date(2999, 12, 31))


def test_without_ends_the_last_thirty_days_are_meant() -> None:
    assert span(None, None, today=TODAY) == Span(date(2026, 10, 23), TODAY)
    assert span(date(2026, 11, 1), None, today=TODAY) == Span(date(2026, 11, 1), TODAY)
    assert span(None, date(2026, 1, 30), today=TODAY) == Span(date(2026, 1, 1), date(2026, 1, 30))
    assert span(date(2027, 1, 1), None, today=TODAY) == Span(date(2027, 1, 1), date(2027, 1, 1))


def test_a_range_runs_forwards_and_is_a_year_at_the_most() -> None:
    with pytest.raises(RangeRunsBackwards):
        span(TODAY, TODAY - timedelta(days=1), today=TODAY)
    assert len(list(span(TODAY - timedelta(days=365), TODAY, today=TODAY).days())) == 366
    with pytest.raises(RangeTooLong):
        span(TODAY - timedelta(days=366), TODAY, today=TODAY)


def test_weeks_run_from_monday_to_sunday_across_the_new_year() -> None:
    assert period_of(date(2027, 1, 1), Period.WEEK) == Span(date(2026, 12, 28), date(2027, 1, 3))
    assert period_of(date(2026, 12, 28), Period.WEEK) == Span(date(2026, 12, 28), date(2027, 1, 3))


def test_months_have_their_own_lengths() -> None:
    assert period_of(date(2028, 2, 10), Period.MONTH) == Span(date(2028, 2, 1), date(2028, 2, 29))
    assert period_of(date(2026, 12, 31), Period.MONTH) == Span(date(2026, 12, 1), date(2026, 12, 31))


@given(day=DAYS, period=st.sampled_from(Period))
def test_a_day_lies_in_its_period_and_its_neighbours_in_the_same_or_the_next(day: date, period: Period) -> None:
    found = period_of(day, period)
    assert found.first <= day <= found.last
    assert {period_of(inside, period) for inside in found.days()} == {found}
    assert period_of(found.last + timedelta(days=1), period).first == found.last + timedelta(days=1)


@given(first=DAYS, length=st.integers(0, 365), period=st.sampled_from(Period))
def test_the_periods_of_a_range_follow_each_other_without_gaps(first: date, length: int, period: Period) -> None:
    last = first + timedelta(days=length)
    found = periods_in(Span(first, last), period)
    assert found[0].first <= first <= found[0].last
    assert found[-1].first <= last <= found[-1].last
    for before, after in pairwise(found):
        assert before.last + timedelta(days=1) == after.first
