"""Many dead letters are replayed a few at a time, and no more than a few die again."""

import pytest
from sqlalchemy.orm import Session

from messaging import Event, PermanentError, SchemaRegistry
from messaging.dead_letters import (
    Decision,
    FieldIs,
    GradualReplayView,
    Progress,
    Selection,
    decide,
    latest_gradual_replay,
    replay_gradually,
    stop_gradual_replay,
)
from messaging.errors import ReplayUnderWay
from tests.integration.messaging_house import SCHEMA, SOLD, House
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


def test_it_goes_on_when_a_letter_has_to_wait_behind_one_that_stays_dead(house: House) -> None:
    house.keeps_order = True
    mended = house.registry
    house.registry = SchemaRegistry({SOLD: {1: {**SCHEMA, "required": ["n", "size"]}}})
    house.consumer()
    hopeless = sold(data={"n": "many", "colour": "green"}, subject="apples", sequence=1)
    apple, pear, plum = (
        sold(data={"n": n, "colour": "red"}, subject=subject, sequence=n)
        for n, subject in ((2, "apples"), (3, "pears"), (4, "plums"))
    )
    bury(house, hopeless, apple, pear, plum)
    house.stop_last()
    house.registry = mended
    house.consumer()
    assert begin(house, Selection(field=FieldIs.parse("data.colour=red"))) == 3
    eventually(lambda: progress(house).state == Progress.DONE)
    end = progress(house)
    assert (end.taken, end.outcome.handled, end.outcome.behind, end.outcome.under_way) == (3, 2, 1, 0)
    assert [effect.n for effect in house.effects()] == [3, 4]
    with house.sessions.begin() as session:
        decide(session, hopeless.id, Decision.DISCARD, by=ADA)
    house.wait_for_effects(3)
    assert house.sequences("apples") == [2]
