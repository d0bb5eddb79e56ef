"""Delays grow, and whoever waits in line waits as long as its head."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from messaging import RetryPolicy
from messaging.inbox import Known

NOW = datetime.now(UTC)


@given(attempts=st.integers(1, 50), seed=st.integers())
def test_the_delay_is_always_one_that_has_a_queue(attempts: int, seed: int) -> None:
    policy = RetryPolicy(random=Random(seed))
    assert policy.next_try(attempts)[0] in policy.delays_ms


def test_without_jitter_delays_grow_up_to_the_longest() -> None:
    policy = RetryPolicy(delays_ms=(1, 10, 100), jitter=0)
    assert [policy.next_try(attempts)[0] for attempts in (1, 2, 3, 4, 9)] == [1, 10, 100, 100, 100]


def test_with_jitter_some_wait_one_step_longer() -> None:
    policy = RetryPolicy(delays_ms=(1, 10, 100), jitter=0.5, random=Random(1))
    assert {policy.next_try(1)[0] for _ in range(50)} == {1, 10}


@given(seconds=st.floats(-10, 500))
def test_who_waits_for_another_never_comes_back_before_it(seconds: float) -> None:
    policy = RetryPolicy()
    left = seconds * 1000
    delay = policy.delay_until(datetime.now(UTC) + timedelta(seconds=seconds))
    assert delay >= left - 50 or delay == policy.delays_ms[-1]


def test_an_aggregate_in_whose_line_nobody_waits_flows() -> None:
    assert Known({}).ask("tracker/1", 5) is None


def test_an_event_behind_a_waiting_one_is_told_when_that_comes_back() -> None:
    lines = Known({"tracker/1": {2: NOW, 4: NOW + timedelta(seconds=9)}})
    assert lines.ask("tracker/1", 3) == NOW
    assert lines.ask("tracker/2", 3) is None


def test_the_head_of_a_line_goes_and_lets_the_next_one_go_too() -> None:
    lines = Known({"tracker/1": {2: NOW, 3: NOW}})
    assert lines.ask("tracker/1", 3) == NOW
    assert lines.ask("tracker/1", 2) is None
    assert lines.ask("tracker/1", 3) is None


def test_an_earlier_event_is_not_held_up_by_a_later_one() -> None:
    assert Known({"tracker/1": {7: NOW}}).ask("tracker/1", 6) is None


def test_who_is_sent_back_to_wait_holds_up_the_later_ones_although_the_head_goes() -> None:
    lines = Known({"tracker/1": {1: NOW}})
    assert lines.ask("tracker/1", 2) == NOW
    assert lines.ask("tracker/1", 1) is None
    assert lines.ask("tracker/1", 3) == NOW
