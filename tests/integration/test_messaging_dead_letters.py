"""What people decide about dead letters is carried out, once, and written down."""

import json
import threading
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging import Event, RetryLater, SchemaInvalid
from messaging.dead_letters import (
    Decision,
    Selection,
    State,
    count_dead_letters,
    dead_letter_groups,
    decide,
    decide_all,
    list_dead_letters,
    read_dead_letter,
    recent_decisions,
    replay_edited,
    retry_waiting,
)
from messaging.envelope import CONTENT_TYPE
from messaging.errors import LetterNotDead, LetterUnknown
from messaging.tables import DeadLetterAction, HeldMessage
from tests.integration.messaging_house import House
from tests.integration.messaging_letters import (
    ADA,
    Moody,
    bury,
    history,
    nothing_is_left,
    replay,
    sold,
    state,
)
from tests.waiting import eventually


def test_a_replayed_letter_is_handled_as_if_it_had_never_been_tried(house: House, moody: Moody) -> None:
    house.consumer()
    letter_id, other = bury(house, sold(1), sold(2))
    moody.refuses = False
    replay(house, letter_id)
    house.wait_for_effects(1)
    eventually(lambda: state(house, letter_id) == State.REPLAYED)
    eventually(lambda: house.dead_in_queue() == 1)
    assert [letter.id for letter in house.dead_letters()] == [other]
    assert [(effect.event_id, effect.n) for effect in house.effects()] == [(letter_id, 1)]
    assert history(house, letter_id) == [("died", None), ("replay_requested", "Ada"), ("replayed", None)]


def test_a_letter_that_is_no_longer_dead_cannot_be_decided_about_again(house: House, moody: Moody) -> None:
    house.consumer()
    (letter_id,) = bury(house, sold(1))
    house.stop_last()
    moody.refuses = False
    replay(house, letter_id)
    for decision in Decision:
        with house.sessions.begin() as session, pytest.raises(LetterNotDead, match="replay_requested"):
            decide(session, letter_id, decision, by=ADA)
    house.consumer()
    house.wait_for_effects(1)
    nothing_is_left(house)
    with house.sessions.begin() as session, pytest.raises(LetterNotDead, match="replayed"):
        replay_edited(session, letter_id, {}, by=ADA, registry=house.registry)
    with house.sessions.begin() as session, pytest.raises(LetterUnknown):
        decide(session, uuid4(), Decision.DISCARD, by=ADA)


def test_a_letter_whose_replay_fails_is_dead_again_with_its_history(house: House, moody: Moody) -> None:
    house.consumer()
    letter_id, later = bury(house, sold(1), sold(2))
    (first, _) = house.dead_letters()
    replay(house, letter_id)
    eventually(lambda: history(house, letter_id)[-1] == ("died", None) and len(history(house, letter_id)) > 1)
    eventually(lambda: [letter.id for letter in house.dead_letters()] == [later, letter_id])
    again = house.dead_letters()[1]
    assert (again.deaths, again.attempts, again.state) == (2, 1, State.DEAD)
    assert again.died_at > first.died_at
    eventually(lambda: house.dead_in_queue() == 2)
    # And once more: the older copies of the message are told from the newest.
    moody.refuses = False
    replay(house, letter_id)
    house.wait_for_effects(1)
    eventually(lambda: house.dead_in_queue() == 1 and state(house, letter_id) == State.REPLAYED)


def test_however_many_types_a_sender_makes_up_there_are_200_groups_at_most_and_all_letters_are_counted(
    house: House,
) -> None:
    why = {"reason": "unknown-type", "detail": "", "attempts": 1, "state": State.DEAD, "headers": {}}
    with house.sessions.begin() as session:
        session.add_all(
            HeldMessage(id=uuid4(), body=b"{}", content_type=CONTENT_TYPE, type=f"shop.made_up_{n}.v1", **why)
            for n in range(201)
        )
    with house.sessions() as session:
        assert len(dead_letter_groups(session)) == 200
        assert count_dead_letters(session) == 201


def test_a_group_is_replayed_and_the_rest_stays(house: House, moody: Moody) -> None:
    house.consumer()
    bury(house, *(sold(n) for n in range(4)))
    house.send_raw(sold(9, data={"n": "many"}).to_bytes(), b"{}")
    eventually(lambda: len(house.dead_letters()) == 6)
    with house.sessions() as session:
        groups = {group.reason: group.count for group in dead_letter_groups(session)}
    assert groups == {"refused-by-handler": 4, "schema-invalid": 1, "not-an-event": 1}
    moody.refuses = False
    with house.sessions.begin() as session:
        assert decide_all(session, Selection(reason="refused-by-handler"), Decision.REPLAY, by=ADA) == 4
    house.wait_for_effects(4)
    assert [effect.n for effect in house.effects()] == [0, 1, 2, 3]
    eventually(lambda: house.dead_in_queue() == 2)
    assert {letter.reason for letter in house.dead_letters()} == {"schema-invalid", "not-an-event"}
    with house.sessions() as session:
        (decision,) = recent_decisions(session, limit=5)
    assert (decision.actor_name, decision.action, decision.letters) == ("Ada", "replay_requested", 4)


def test_more_letters_than_fit_into_a_batch_are_replayed_together_and_in_order(house: House, moody: Moody) -> None:
    house.consumer()
    bury(house, *(sold(n) for n in range(250)))
    moody.refuses = False
    with house.sessions.begin() as session:
        assert decide_all(session, Selection(), Decision.REPLAY, by=ADA) == 250
        assert decide_all(session, Selection(), Decision.REPLAY, by=ADA) == 0
    eventually(lambda: len(house.effects()) == 250)
    assert [effect.n for effect in house.effects()] == list(range(250))
    nothing_is_left(house)


def test_only_what_was_on_the_list_is_decided_about(house: House, moody: Moody) -> None:
    house.consumer()
    first, _ = bury(house, sold(1), sold(2))
    seen = house.dead_letters()[0].position
    with house.sessions.begin() as session:
        assert decide_all(session, Selection(up_to_position=seen), Decision.DISCARD, by=ADA) == 1
    assert state(house, first) == State.DISCARDED


def test_a_discarded_letter_is_gone_from_the_queue_and_kept_on_record(house: House, moody: Moody) -> None:
    house.consumer()
    discarded, kept = bury(house, sold(1), sold(2))
    with house.sessions.begin() as session:
        decide(session, discarded, Decision.DISCARD, by=ADA)
    eventually(lambda: house.dead_in_queue() == 1 and state(house, discarded) == State.DISCARDED)
    assert [letter.id for letter in house.dead_letters()] == [kept]
    assert history(house, discarded) == [("died", None), ("discarded", "Ada")]
    with house.sessions() as session:
        (old,) = list_dead_letters(session, limit=5, states=[State.DISCARDED])
    assert old.id == discarded
    assert house.effects() == []


def test_an_edited_letter_is_a_new_event_with_the_same_cause(house: House) -> None:
    seen: list[Event] = []
    house.handler = lambda session, event: seen.append(event)
    house.consumer()
    dead = sold(1, data={"n": "many"})
    (letter_id,) = bury(house, dead)
    with house.sessions.begin() as session, pytest.raises(SchemaInvalid, match=r"data\.n"):
        replay_edited(session, letter_id, {"data": {"n": "more"}}, by=ADA, registry=house.registry)
    assert state(house, letter_id) == State.DEAD
    with house.sessions.begin() as session:
        edited = replay_edited(session, letter_id, {"data": {"n": 7}}, by=ADA, registry=house.registry)
    house.wait_for_effects(1)
    nothing_is_left(house)
    (event,) = seen
    assert event.id == edited.id != dead.id
    assert (event.causation_id, event.correlation_id) == (dead.id, dead.correlation_id)
    assert (event.subject, event.sequence, event.data["n"]) == (dead.subject, dead.sequence, 7)
    with house.sessions() as session:
        story = read_dead_letter(session, letter_id)
    assert [(entry.action, entry.detail) for entry in story.history][1:] == [("edited", str(edited.id))]
    assert story.replacement is not None
    assert json.loads(story.replacement)["data"] == {"n": 7}


def test_what_only_waits_can_be_tried_at_once(house: House, moody: Moody) -> None:
    ready = threading.Event()

    def fail_until_ready(_session: Session, _event: Event) -> None:
        if not ready.is_set():
            raise RetryLater("not yet")

    house.handler = fail_until_ready
    house.retry = replace(house.retry, delays_ms=(3_600_000,))
    house.consumer()
    first, second = sold(1), sold(2)
    house.send_raw(first.to_bytes(), second.to_bytes())
    eventually(lambda: house.outcomes == {"retry": 2})
    ready.set()
    replay(house, first.id)
    house.wait_for_effects(1)
    with house.sessions.begin() as session:
        assert retry_waiting(session, by=ADA) == 1
    house.wait_for_effects(2)
    eventually(lambda: house.unfinished() == {})
    assert [action for action, _ in recorded(house, first.id)] == ["replay_requested"]


def recorded(house: House, letter_id: UUID) -> list[tuple[str, str | None]]:
    """What happened to it, though it never died and its row is gone."""
    with house.sessions() as session:
        wanted = select(DeadLetterAction).where(DeadLetterAction.letter_id == letter_id).order_by(DeadLetterAction.id)
        return [(entry.action, entry.actor_name) for entry in session.scalars(wanted)]
