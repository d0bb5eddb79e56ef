"""A service takes auth's word for a session for a while, asks again in time, and no absent auth holds it up."""

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest
import requests

from chassis.errors import Unavailable
from chassis.sessions import Confirmations, SessionEnded
from tests.waiting import eventually

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
SESSION = uuid4()


class Clock:
    now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Auth:
    """Knows which sessions have ended, and can be away or frozen."""

    def __init__(self) -> None:
        self.ended: set[UUID] = set()
        self.asked = 0
        self.away = False
        #: Set while it answers.
        self.running = threading.Event()
        self.running.set()

    def __call__(self, url: str) -> bool:
        self.asked += 1
        if not self.running.wait(30):
            raise requests.Timeout("frozen")
        if self.away:
            raise requests.ConnectionError("away")
        return UUID(url.rpartition("/")[2]) not in self.ended


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def auth() -> Auth:
    return Auth()


@pytest.fixture
def confirmations(auth: Auth, clock: Clock) -> Confirmations:
    return Confirmations("http://auth", ask=auth, clock=clock)


def has_ended(confirmations: Confirmations, session_id: UUID = SESSION, confirmed_at: datetime = START) -> bool:
    try:
        confirmations.check(session_id, confirmed_at)
    except SessionEnded:
        return True
    return False


def test_the_word_that_a_token_brings_along_is_taken_at_first(
    confirmations: Confirmations, auth: Auth, clock: Clock
) -> None:
    clock.advance(19)
    assert confirmations.check(SESSION, START) == START
    assert auth.asked == 0


def test_then_auth_is_asked_behind_the_requests(confirmations: Confirmations, auth: Auth, clock: Clock) -> None:
    clock.advance(21)
    auth.running.clear()
    assert confirmations.check(SESSION, START) == START
    auth.running.set()
    eventually(lambda: confirmations.check(SESSION, START) == clock.now)
    assert auth.asked == 1


def test_and_in_the_end_the_request_waits_for_the_answer(
    confirmations: Confirmations, auth: Auth, clock: Clock
) -> None:
    clock.advance(41)
    assert confirmations.check(SESSION, START) == clock.now
    auth.ended.add(SESSION)
    clock.advance(41)
    assert has_ended(confirmations)


def test_who_is_at_work_all_the_time_is_shut_out_within_half_a_minute_of_the_end(
    confirmations: Confirmations, auth: Auth, clock: Clock
) -> None:
    auth.ended.add(SESSION)
    while not has_ended(confirmations) and clock.now < START + timedelta(minutes=5):
        clock.advance(1)
        if clock.now >= START + timedelta(seconds=20):
            has_ended(confirmations)
            eventually(partial(has_ended, confirmations))
    assert clock.now <= START + timedelta(seconds=30)


def test_a_session_that_was_not_used_for_long_goes_on_when_auth_says_so(
    confirmations: Confirmations, clock: Clock
) -> None:
    clock.advance(3 * 3600)
    assert confirmations.check(SESSION, START) == clock.now


def test_while_auth_is_away_a_session_goes_on_for_five_minutes(
    confirmations: Confirmations, auth: Auth, clock: Clock
) -> None:
    auth.away = True
    clock.advance(299)
    assert confirmations.check(SESSION, START) == START
    clock.advance(2)
    with pytest.raises(Unavailable):
        confirmations.check(SESSION, START)
    auth.away = False

    def is_renewed() -> bool:
        clock.advance(5)
        with suppress(Unavailable):  # it may have joined the last question that failed
            return confirmations.check(SESSION, START) == clock.now
        return False

    eventually(is_renewed)


def test_whose_time_is_over_waits_for_an_absent_auth_once_in_five_seconds(
    confirmations: Confirmations, auth: Auth, clock: Clock
) -> None:
    auth.away = True
    clock.advance(301)
    for _ in range(20):
        with pytest.raises(Unavailable):
            confirmations.check(uuid4(), START)
    assert auth.asked == 1


def test_a_sign_out_stands_against_an_answer_that_was_under_way(
    confirmations: Confirmations, auth: Auth, clock: Clock
) -> None:
    clock.advance(25)
    auth.running.clear()
    confirmations.check(SESSION, START)
    clock.advance(1)
    confirmations.end(SESSION)
    auth.running.set()
    confirmations._pool.shutdown()  # so the answer has been noted
    assert has_ended(confirmations)


def test_one_request_waits_for_a_frozen_auth_and_after_it_nobody(
    confirmations: Confirmations, auth: Auth, clock: Clock
) -> None:
    auth.running.clear()
    clock.advance(60)
    assert confirmations.check(SESSION, START) == START
    for _ in range(30):
        clock.advance(1)
        for session_id in (SESSION, uuid4()):
            # If these waited for the answer they would never end: nothing lets auth go on before.
            assert confirmations.check(session_id, START) == START
    assert auth.asked <= 4  # threads that ask
    auth.running.set()
    eventually(lambda: confirmations.check(SESSION, START) == clock.now)


def test_what_auth_said_of_an_end_is_remembered_when_auth_is_away(
    confirmations: Confirmations, auth: Auth, clock: Clock
) -> None:
    auth.ended.add(SESSION)
    clock.advance(50)
    assert has_ended(confirmations)
    auth.away = True
    assert has_ended(confirmations)


def test_a_session_that_was_ended_here_counts_no_longer_unless_auth_has_vouched_for_it_since(
    confirmations: Confirmations, clock: Clock
) -> None:
    clock.advance(5)
    confirmations.end(SESSION)
    assert has_ended(confirmations)
    clock.advance(5)
    assert not has_ended(confirmations, confirmed_at=clock.now)


def test_a_word_from_the_future_is_no_fresh_one(confirmations: Confirmations, auth: Auth, clock: Clock) -> None:
    tomorrow = START + timedelta(days=1)
    assert confirmations.check(SESSION, tomorrow) == START
    assert auth.asked == 1
    auth.ended.add(SESSION)
    clock.advance(60)
    assert has_ended(confirmations, confirmed_at=tomorrow)
    clock.advance(-3600)
    assert has_ended(confirmations, confirmed_at=tomorrow)


def test_no_more_sessions_are_remembered_than_there_is_room_for(
    confirmations: Confirmations, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.sessions._MAX_SESSIONS", 2)
    for session_id in (first := uuid4(), second := uuid4(), third := uuid4()):
        confirmations.end(session_id)
    assert [has_ended(confirmations, session_id) for session_id in (first, second, third)] == [False, True, True]
