"""Delays grow, and nobody overtakes an earlier event of the aggregate."""

from datetime import timedelta
from random import Random
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from messaging import Event, RetryPolicy
from messaging.held import take_places
from messaging.received import Received
from messaging.transport import Delivery


@given(attempts=st.integers(1, 50), seed=st.integers())
def test_a_delay_is_never_shorter_than_its_step_nor_longer_by_more_than_the_jitter(attempts: int, seed: int) -> None:
    policy = RetryPolicy(random=Random(seed))
    step = timedelta(milliseconds=policy.delays_ms[min(attempts, len(policy.delays_ms)) - 1])
    assert step <= policy.delay_after(attempts) <= step * (1 + policy.jitter)


def test_without_jitter_delays_grow_up_to_the_longest() -> None:
    policy = RetryPolicy(delays_ms=(1, 10, 100), jitter=0)
    delays = [policy.delay_after(attempts) for attempts in (1, 2, 3, 4, 9)]
    assert delays == [timedelta(milliseconds=ms) for ms in (1, 10, 100, 100, 100)]


def received(sequence: int, subject: str = "apples") -> Received:
    event = Event.new("shop.sold.v1", subject=subject, sequence=sequence, data={})
    empty = ("", "", "", "", "", "")
    return Received(Delivery(1, 1, event.to_bytes(), *empty, None, {}, redelivered=False), event)


def places(batch: list[Received], *held: int) -> tuple[list[int], list[int]]:
    """Return the sequences of those whose turn it is and of those that wait, while these wait already."""
    lines: dict[str, dict[UUID, int]] = {"shop/apples": {uuid4(): sequence for sequence in held}}
    turn, behind = take_places(batch, lines)
    return [each.event.sequence for each in turn], [each.event.sequence for each in behind]


def test_an_aggregate_in_whose_line_nobody_waits_flows() -> None:
    assert places([received(1), received(2)]) == ([1, 2], [])


def test_an_event_behind_one_that_waits_waits_too_and_those_behind_it() -> None:
    assert places([received(3), received(4)], 2) == ([], [3, 4])


def test_an_earlier_event_is_not_held_up_by_a_later_one() -> None:
    assert places([received(6)], 7) == ([6], [])


def test_other_aggregates_flow() -> None:
    assert places([received(3), received(5, "pears")], 2) == ([5], [3])


def test_the_head_of_a_line_goes_and_lets_the_next_ones_go_too() -> None:
    first, second, third = received(1), received(2), received(3)
    lines = {"shop/apples": {first.key: 1, second.key: 2}}
    assert take_places([first, second, third], lines) == ([first, second, third], [])
    assert lines == {"shop/apples": {}}


@given(st.lists(st.integers(1, 9), unique=True), st.lists(st.integers(1, 9), unique=True))
def test_nobody_whose_turn_it_is_passes_an_earlier_event_that_waits(arriving: list[int], held: list[int]) -> None:
    turn, behind = places([received(sequence) for sequence in arriving], *held)
    assert sorted(turn + behind) == sorted(arriving)
    assert all(sequence <= min(held, default=10) for sequence in turn)
