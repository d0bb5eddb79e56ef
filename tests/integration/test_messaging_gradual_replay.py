"""Many dead letters are replayed a few at a time, and no more than a few die again."""

import pytest
from sqlalchemy.orm import Session

from messaging import Event, PermanentError
from messaging.dead_letters import (
    GradualReplayView,
    Progress,
    Selection,
    latest_gradual_replay,
    replay_gradually,
    stop_gradual_replay,
)
from messaging.errors import ReplayUnderWay
from tests.integration.messaging_house import House
from tests.integration.messaging_letters import ADA, Moody, bury, sold
from tests.waiting import eventually


class Repaired:
    """A handler that refuses events above a number: the rest was mended."""

    def __init__(self, up_to: int) -> None:
        self._up_to = up_to

    def __call__(self, _session: Session, event: Event) -> None:
        if event.data["n"] > self._up_to:
            raise PermanentError("still broken")


def begin(house: House, selection: Selection | None = None) -> int:
    with house.sessions.begin() as session:
        return replay_gradually(session, selection or Selection(), by=ADA)


def progress(house: House) -> GradualReplayView:
    with house.sessions.begin() as session:
        found = latest_gradual_replay(session)
    assert found is not None
    return found


def test_it_goes_on_to_the_last_letter_while_none_dies_again(house: House, moody: Moody) -> None:
    house.consumer()
    bury(house, *(sold(n) for n in range(1, 31)))
    moody.refuses = False
    assert begin(house) == 30
    eventually(lambda: progress(house).state == Progress.DONE)
    end = progress(house)
    assert (end.taken, end.outcome.handled, end.outcome.dead_again) == (30, 30, 0)
    assert house.dead_letters() == []
    assert [effect.n for effect in house.effects()] == list(range(1, 31))


def test_it_ends_with_the_step_in_which_letters_die_again_and_leaves_the_rest(house: House, moody: Moody) -> None:
    house.consumer()
    bury(house, *(sold(n) for n in range(1, 31)))
    house.stop_last()
    house.handler = Repaired(up_to=9)
    house.consumer()
    begin(house)
    eventually(lambda: progress(house).state == Progress.FAILED)
    end = progress(house)
    assert (end.total, end.taken) == (30, 11)
    assert (end.outcome.handled, end.outcome.dead_again, end.outcome.under_way) == (9, 2, 0)
    assert sorted(letter.deaths for letter in house.dead_letters()) == [1] * 19 + [2] * 2


def test_one_at_a_time(house: House, moody: Moody) -> None:
    house.consumer()
    bury(house, sold(1), sold(2))
    house.stop_last()
    begin(house)
    with pytest.raises(ReplayUnderWay):
        begin(house)
    with house.sessions.begin() as session:
        assert stop_gradual_replay(session)
        assert not stop_gradual_replay(session)
    assert progress(house).state == Progress.STOPPED
    assert begin(house, Selection(type="nothing.of_this.v1")) == 0
    assert progress(house).state == Progress.DONE
