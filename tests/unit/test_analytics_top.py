"""The most expensive task of a day, week or month."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from analytics_service.domain.calendar import Period, Span, period_of
from analytics_service.domain.top import Completion, rank, top_tasks

MONDAY = date(2026, 11, 16)
NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)

COMPLETIONS = st.lists(
    st.builds(
        Completion,
        task_id=st.uuids(),
        reward_cents=st.integers(2000, 2010),
        business_day=st.integers(-40, 40).map(lambda number: MONDAY + timedelta(days=number)),
        completed_at=st.integers(0, 3).map(lambda hours: NOON + timedelta(hours=hours)),
    ),
    max_size=30,
)


def completion(number: int, reward: int, day: date = MONDAY, hours: int = 0) -> Completion:
    return Completion(UUID(int=number), reward, day, NOON + timedelta(hours=hours))


def test_the_highest_reward_wins_and_of_equal_ones_the_earlier_completion() -> None:
    first, second, cheap = completion(3, 4000), completion(2, 4000, hours=1), completion(1, 2000)
    (found,) = top_tasks([cheap, second, first], Span(MONDAY, MONDAY), Period.DAY)
    assert found.completion == first


def test_every_period_is_listed_even_when_nothing_was_completed_in_it() -> None:
    week = Span(MONDAY, MONDAY + timedelta(days=6))
    found = top_tasks([completion(1, 2000, MONDAY + timedelta(days=2))], week, Period.DAY)
    assert [top.period.first for top in found] == list(week.days())
    assert [top.completion is None for top in found] == [True, True, False, True, True, True, True]


def test_a_week_is_judged_as_a_whole_even_when_the_range_cuts_it() -> None:
    best = completion(1, 4000, MONDAY)
    wednesday = MONDAY + timedelta(days=2)
    (found,) = top_tasks([best, completion(2, 2000, wednesday)], Span(wednesday, wednesday), Period.WEEK)
    assert found.completion == best
    assert found.period == Span(MONDAY, MONDAY + timedelta(days=6))


@given(completions=COMPLETIONS, period=st.sampled_from(Period), data=st.data())
def test_the_top_does_not_depend_on_the_order(
    completions: list[Completion], period: Period, data: st.DataObject
) -> None:
    wanted = Span(MONDAY - timedelta(days=40), MONDAY + timedelta(days=40))
    found = top_tasks(completions, wanted, period)
    assert top_tasks(data.draw(st.permutations(completions)), wanted, period) == found
    for top in found:
        inside = [c for c in completions if period_of(c.business_day, period) == top.period]
        assert top.completion == min(inside, key=rank, default=None)
