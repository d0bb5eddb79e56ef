"""The dead-letter desk on real servers: what people decide is carried out once, and the queue tells the same story."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from chassis.settings import EXCHANGE
from messaging import Event, PermanentError, RabbitBroker, SchemaInvalid, desk
from messaging.dead_letters import (
    Actor,
    Decision,
    Selection,
    State,
    dead_letter_groups,
    decide,
    decide_all,
    list_dead_letters,
    read_dead_letter,
    recent_decisions,
    replay_edited,
)
from messaging.errors import LetterNotDead, LetterUnknown
from messaging.tables import DeadLetter, InboxEvent
from messaging.topology import consumer_topology
from messaging.transport import Message
from tests.conftest import Vhost
from tests.integration.conftest import ConnectionCutter
from tests.integration.messaging_house import SOLD, House
from tests.waiting import eventually

ADA = Actor("Ada", uuid4())


class Moody:
    """A handler that refuses what it is told to refuse."""

    def __init__(self) -> None:
        self.refuses = True

    def __call__(self, _session: Session, event: Event) -> None:
        if self.refuses:
            raise PermanentError(f"not in the mood for {event.data['n']}")


@pytest.fixture
def moody(house: House) -> Iterator[Moody]:
    made = Moody()
    house.handler = made
    return made


def sold(n: int = 1, **changes: Any) -> Event:
    values = {"type": f"{SOLD}.v1", "subject": str(uuid4()), "sequence": 1, "data": {"n": n}} | changes
    return Event.new(values.pop("type"), **values)


def bury(house: House, *events: Event) -> list[UUID]:
    """Let these events die."""
    before = len(house.dead_letters())
    house.send_raw(*(event.to_bytes() for event in events))
    eventually(lambda: len(house.dead_letters()) == before + len(events), timeout=30)
    eventually(lambda: house.dead_in_queue() == before + len(events), timeout=30)
    return [event.id for event in events]


def replay(house: House, letter_id: UUID) -> None:
    with house.sessions.begin() as session:
        decide(session, letter_id, Decision.REPLAY, by=ADA)


def state(house: House, letter_id: UUID) -> State:
    with house.sessions() as session:
        return read_dead_letter(session, letter_id).letter.state


def history(house: House, letter_id: UUID) -> list[tuple[str, str | None]]:
    with house.sessions() as session:
        return [(entry.action, entry.actor_name) for entry in read_dead_letter(session, letter_id).history]


def nothing_is_left(house: House) -> None:
    eventually(lambda: house.dead_letters() == [] and house.dead_in_queue() == 0)


def test_a_replayed_letter_is_handled_as_if_it_had_never_been_tried(house: House, moody: Moody) -> None:
    house.consumer()
    house.desk()
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
    moody.refuses = False
    replay(house, letter_id)
    for decision in Decision:
        with house.sessions.begin() as session, pytest.raises(LetterNotDead, match="replay_requested"):
            decide(session, letter_id, decision, by=ADA)
    house.desk()
    house.wait_for_effects(1)
    nothing_is_left(house)
    with house.sessions.begin() as session, pytest.raises(LetterNotDead, match="replayed"):
        replay_edited(session, letter_id, {}, by=ADA, registry=house.registry)
    with house.sessions.begin() as session, pytest.raises(LetterUnknown):
        decide(session, uuid4(), Decision.DISCARD, by=ADA)


def test_a_letter_whose_replay_fails_is_dead_again_with_its_history(house: House, moody: Moody) -> None:
    house.consumer()
    house.desk()
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


def test_a_group_is_replayed_and_the_rest_stays(house: House, moody: Moody) -> None:
    house.consumer()
    house.desk()
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


def test_six_hundred_letters_are_replayed_together_and_in_order(house: House, moody: Moody) -> None:
    house.consumer()
    house.desk()
    bury(house, *(sold(n) for n in range(600)))
    moody.refuses = False
    with house.sessions.begin() as session:
        assert decide_all(session, Selection(), Decision.REPLAY, by=ADA) == 600
        assert decide_all(session, Selection(), Decision.REPLAY, by=ADA) == 0
    eventually(lambda: len(house.effects()) == 600, timeout=30)
    assert [effect.n for effect in house.effects()] == list(range(600))
    nothing_is_left(house)


def test_only_what_was_on_the_list_is_decided_about(house: House, moody: Moody) -> None:
    house.consumer()
    first, _ = bury(house, sold(1), sold(2))
    seen = house.dead_letters()[0].position
    with house.sessions.begin() as session:
        assert decide_all(session, Selection(up_to_position=seen), Decision.DISCARD, by=ADA) == 1
    assert state(house, first) == State.DISCARD_REQUESTED


def test_a_discarded_letter_is_gone_from_the_queue_and_kept_on_record(house: House, moody: Moody) -> None:
    house.consumer()
    house.desk()
    discarded, kept = bury(house, sold(1), sold(2))
    with house.sessions.begin() as session:
        decide(session, discarded, Decision.DISCARD, by=ADA)
    eventually(lambda: house.dead_in_queue() == 1 and state(house, discarded) == State.DISCARDED)
    assert [letter.id for letter in house.dead_letters()] == [kept]
    assert history(house, discarded)[-2:] == [("discard_requested", "Ada"), ("discarded", None)]
    with house.sessions() as session:
        (old,) = list_dead_letters(session, limit=5, states=[State.DISCARDED])
    assert old.id == discarded
    assert house.effects() == []


def test_an_edited_letter_is_a_new_event_with_the_same_cause(house: House) -> None:
    seen: list[Event] = []
    house.handler = lambda session, event: seen.append(event)
    house.consumer()
    house.desk()
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
    assert [(entry.action, entry.detail) for entry in story.history][1:] == [
        ("edited", str(edited.id)),
        ("replayed", ""),
    ]
    assert story.replacement is not None
    assert json.loads(story.replacement)["data"] == {"n": 7}


def test_a_crash_between_sending_and_marking_has_no_second_effect(
    house: House, moody: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.consumer()
    letters = bury(house, *(sold(n) for n in range(3)))
    moody.refuses = False
    with house.sessions.begin() as session:
        decide_all(session, Selection(), Decision.REPLAY, by=ADA)
    crashed: list[int] = []

    def crash(session: Session, letters: list[DeadLetter]) -> None:
        crashed.append(len(letters))
        raise RuntimeError("the process died here")

    with monkeypatch.context() as patch:
        patch.setattr(desk, "mark_carried_out", crash)
        house.desk()
        eventually(lambda: crashed == [3])
        house.wait_for_effects(3)
        house.stop_last()
    assert {state(house, letter) for letter in letters} == {State.REPLAY_REQUESTED}
    assert house.dead_in_queue() == 3
    house.desk()
    nothing_is_left(house)
    eventually(lambda: house.outcomes["duplicate"] == 3)
    assert sorted(effect.n for effect in house.effects()) == [0, 1, 2]


def test_a_crash_between_marking_and_settling_leaves_nothing_in_the_queue(house: House, moody: Moody) -> None:
    house.consumer()
    replayed, discarded, kept = bury(house, sold(1), sold(2), sold(3))
    with house.sessions.begin() as session:
        for letter_id, done in ((replayed, State.REPLAYED), (discarded, State.DISCARDED)):
            session.get_one(DeadLetter, letter_id).state = done
    house.desk()
    eventually(lambda: house.dead_in_queue() == 1)
    assert [letter.id for letter in house.dead_letters()] == [kept]


def test_a_death_that_is_recorded_twice_is_one_letter_and_one_message(house: House, moody: Moody) -> None:
    house.consumer()
    event = sold(1)
    bury(house, event)
    house.send_raw(event.to_bytes())  # as after a crash of the consumer, or a second publication
    eventually(lambda: house.dead_in_queue() == 2)
    house.desk()
    eventually(lambda: house.dead_in_queue() == 1)
    (letter,) = house.dead_letters()
    assert (letter.id, letter.deaths) == (event.id, 2)


def test_two_messages_with_the_same_id_and_different_bodies_are_two_letters(house: House, moody: Moody) -> None:
    house.consumer()
    event = sold(1)
    house.send_raw(event.to_bytes(), event.to_bytes().replace(b'"n":1', b'"n":2'), b"parrot", b"parrot")
    eventually(lambda: len(house.dead_letters()) == 4)
    eventually(lambda: house.dead_in_queue() == 4)
    house.desk()
    moody.refuses = False
    with house.sessions.begin() as session:
        decide_all(session, Selection(), Decision.REPLAY, by=ADA)
    # The first of the two has the effect, the texts die again as the same letters.
    eventually(lambda: [letter.deaths for letter in house.dead_letters()] == [2, 2] and house.dead_in_queue() == 2)
    house.wait_for_effects(1)


def put_into_dead_queue(broker: RabbitBroker, service: str, *bodies: bytes) -> None:
    """As RabbitMQ itself or a person at its console does."""
    publisher = broker.publisher()
    kind = "application/cloudevents+json"
    headers = {"x-first-death-reason": "delivery_limit", "x-first-death-queue": f"{service}.events"}
    publisher.send([Message(n, f"{service}.dead", "", body, kind, headers=headers) for n, body in enumerate(bodies)])
    confirmed: list[Any] = []
    eventually(lambda: confirmed.extend(publisher.outcomes(0.1)) or len(confirmed) == len(bodies))
    publisher.close()


def test_a_message_that_nobody_recorded_gets_a_letter_when_the_desk_sees_it(house: House) -> None:
    house.consumer()
    house.desk()
    event = sold(5)
    put_into_dead_queue(house.broker, house.service, event.to_bytes(), b"parrot")
    first, second = eventually(lambda: len(house.dead_letters()) == 2 and house.dead_letters())
    assert (first.id, first.reason, first.event) == (event.id, "given-up-by-broker", json.loads(event.to_bytes()))
    assert first.detail == f"RabbitMQ moved it out of {house.service}.events: delivery_limit"
    assert second.event == "parrot"
    eventually(lambda: house.dead_in_queue() == 2)
    replay(house, event.id)
    house.wait_for_effects(1)
    eventually(lambda: house.dead_in_queue() == 1)


def test_a_letter_whose_message_was_taken_out_of_the_queue_is_put_back(house: House, moody: Moody) -> None:
    house.consumer()
    taken, fresh = bury(house, sold(1), sold(2))
    with house.sessions.begin() as session:
        session.get_one(DeadLetter, taken).died_at -= timedelta(minutes=2)
    house.queued(f"{house.service}.dead", 2)
    eventually(lambda: house.broker.queue_state(f"{house.service}.dead").consumers == 0)
    house.desk()
    eventually(lambda: house.dead_in_queue() == 1)  # of the fresh one the message may still be on its way
    moody.refuses = False
    with house.sessions.begin() as session:
        decide_all(session, Selection(), Decision.REPLAY, by=ADA)
    house.wait_for_effects(2)
    nothing_is_left(house)
    assert {state(house, taken), state(house, fresh)} == {State.REPLAYED}


def test_the_desk_leaves_the_queue_alone_while_somebody_else_receives_from_it(house: House, moody: Moody) -> None:
    house.consumer()
    bury(house, sold(1), sold(2))
    reader = house.broker.receiver(f"{house.service}.dead", prefetch=10)
    eventually(lambda: len(reader.receive(10, 0.2)) == 2)
    house.desk()
    with house.sessions.begin() as session:
        decide_all(session, Selection(), Decision.DISCARD, by=ADA)
    eventually(lambda: house.dead_letters() == [])
    assert house.broker.queue_state(f"{house.service}.dead").consumers == 1
    reader.close()
    nothing_is_left(house)


def test_the_order_in_the_queue_stays_when_the_desk_has_looked(house: House, moody: Moody) -> None:
    house.consumer()
    house.desk()
    letters = bury(house, *(sold(n) for n in range(30)))
    with house.sessions.begin() as session:
        for letter_id in letters[::3]:
            decide(session, letter_id, Decision.DISCARD, by=ADA)
    eventually(lambda: house.dead_in_queue() == 20)
    house.stop_last()
    bodies = house.queued(f"{house.service}.dead", 20)
    assert [json.loads(body)["data"]["n"] for body in bodies] == [n for n in range(30) if n % 3]


def test_of_two_desks_one_works_and_the_other_takes_over(house: House, moody: Moody) -> None:
    house.consumer()
    first, second = bury(house, sold(1), sold(2))
    moody.refuses = False
    house.desk()
    house.desk()
    replay(house, first)
    house.wait_for_effects(1)
    stop, thread = house._running.pop(1)
    stop.set()
    thread.join()
    replay(house, second)
    house.wait_for_effects(2)
    nothing_is_left(house)
    with house.sessions() as session:
        assert len(session.scalars(select(InboxEvent)).all()) == 2


def test_the_desk_outlives_a_database_and_a_broker_that_are_away(
    house: House, moody: Moody, cutter: ConnectionCutter
) -> None:
    house.consumer()
    house.desk()
    first, second = bury(house, sold(1), sold(2))
    moody.refuses = False
    cutter.keep_out()
    replay(house, first)
    with house.engine.begin() as connection:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database"
        desks = connection.execute(text(f"{ended} WHERE locktype = 'advisory' AND datname = current_database()")).all()
    assert len(desks) == 1
    cutter.let_in()
    eventually(lambda: len(house.effects()) == 1, timeout=30)
    replay(house, second)
    house.wait_for_effects(2)
    nothing_is_left(house)


def test_the_services_own_user_may_do_all_of_it(house: House, vhost: Vhost) -> None:
    administrator = RabbitBroker(vhost.administrator_url, name="x")
    administrator.declare(consumer_topology("billing", ["tracker.task_created"], exchange=EXCHANGE))
    own = RabbitBroker(vhost.url("billing"), name="billing.dead-letters")
    working = desk.DeadLetterDesk("billing", own, house.engine, poll=0.1, compare_every=0.5)
    house._start(working.run)
    event = sold(5)
    put_into_dead_queue(administrator, "billing", event.to_bytes())
    eventually(lambda: [letter.id for letter in house.dead_letters()] == [event.id])
    replay(house, event.id)
    eventually(lambda: house.dead_letters() == [])
    assert list(house.queued("billing.events", 1)) == [event.to_bytes()]
    eventually(lambda: administrator.queue_state("billing.dead").ready == 0)


def test_what_postgres_cannot_keep_is_recorded_all_the_same(house: House) -> None:
    house.consumer()
    house.send_raw(b"nul \0 and no text \xff", b'{"id": "\\ud800", "deep": ' + b"[" * 900 + b"]" * 900 + b"}", b"NaN")
    eventually(lambda: len(house.dead_letters()) == 3)
    for letter in house.dead_letters():
        with house.sessions() as session:
            read_dead_letter(session, letter.id).text.encode()
