"""What the broker refuses is offered again one event of a type at a time, after pauses that grow."""

import itertools
from types import SimpleNamespace

import pytest

from messaging import refusals
from messaging.outbox_reader import PendingEvent
from messaging.refusals import Refusals

_ids = itertools.count(1)


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(refusals, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


def an_event(type_: str = "shop.sold.v1", *, size: int = 2) -> PendingEvent:
    number = next(_ids)
    return PendingEvent(number, f"event-{number}", type_, f"subject-{number}", 1, "", 0.0, b"x" * size)


def test_one_event_of_each_type_is_offered_and_the_others_follow_when_it_is_taken(clock: Clock) -> None:
    waiting, sold, counted = Refusals(), [an_event() for _ in range(3)], an_event("shop.counted.v1")
    for event in (*sold, counted):
        waiting.refused(event, "returned")
    assert waiting.due() == []
    clock.now += waiting.seconds_until_due()
    assert waiting.due() == [sold[0], counted]
    assert waiting.due() == []
    assert waiting.subjects() == [event.subject for event in sold[1:]]
    assert waiting.taken(sold[0]) == sold[1:]
    assert waiting.taken(counted) == []
    assert not waiting


def test_the_pause_grows_as_long_as_nothing_of_the_type_is_taken(clock: Clock) -> None:
    waiting, event = Refusals(), an_event()
    waiting.refused(event, "refused")
    pauses = []
    for _ in range(8):
        pauses.append(waiting.seconds_until_due())
        clock.now += pauses[-1]
        assert waiting.due() == [event]
        waiting.refused(event, "refused")
    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0])


def test_an_event_that_can_never_be_sent_does_not_hold_up_others_of_its_type(clock: Clock) -> None:
    waiting, never, later = Refusals(), an_event(), an_event()
    waiting.refused(never, "cannot be sent")
    waiting.refused(later, "refused")
    clock.now += waiting.seconds_until_due()
    assert waiting.due() == [never]
    waiting.refused(never, "cannot be sent")
    clock.now += waiting.seconds_until_due()
    assert waiting.due() == [later]
    assert waiting.taken(later) == [never]


def test_an_event_that_was_not_offered_again_says_nothing_about_those_that_wait(clock: Clock) -> None:
    waiting = Refusals()
    waiting.refused(an_event(), "refused")
    assert waiting.taken(an_event()) is None
    assert waiting


@pytest.mark.parametrize(("count", "size"), [(101, 2), (6, 256 * 1024)])
def test_of_a_type_that_is_refused_a_lot_only_some_are_kept_in_memory(clock: Clock, count: int, size: int) -> None:
    waiting = Refusals()
    events = [an_event(size=size) for _ in range(count)]
    for event in events:
        waiting.refused(event, "refused")
    assert len(waiting.subjects()) < count
    assert waiting.overflowed() == ["shop.sold.v1"]
    clock.now += waiting.seconds_until_due()
    (offered,) = waiting.due()
    assert waiting.overflowed() == ["shop.sold.v1"]  # until it is known that they are taken again
    waiting.taken(offered)
    assert waiting.overflowed() == []


def test_it_is_logged_once_a_minute_that_a_type_is_refused(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    waiting = Refusals()
    for _ in range(100):
        waiting.refused(an_event(), "refused")
        clock.now += 1
    assert len(caplog.records) == 2
