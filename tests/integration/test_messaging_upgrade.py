"""What earlier versions of the tables and queues held is there after an upgrade, and loses neither effect nor order."""

from types import ModuleType
from typing import Any, cast
from uuid import UUID, uuid4

import pika
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from messaging import Event, PermanentError, migrations, tables
from messaging.dead_letters import Decision, State, decide, read_dead_letter, retry_waiting
from messaging.envelope import CONTENT_TYPE
from messaging.errors import LetterNotDead
from tests.integration.messaging_house import SOLD, House
from tests.integration.messaging_letters import ADA, replay, state
from tests.waiting import eventually


def sold(sequence: int, subject: str = "apples") -> Event:
    return Event.new(f"{SOLD}.v1", subject=subject, sequence=sequence, data={"n": sequence})


class OldHouse:
    """A house as it stood before its events in trouble lived in one table."""

    def __init__(self, house: House, connection: Connection) -> None:
        self._house = house
        self._connection = connection
        tables.metadata.drop_all(connection)
        self.op: Any = Operations(MigrationContext.configure(connection))
        module = cast("ModuleType", self.op)
        migrations.create_tables_v1(module, app_role=None)
        migrations.create_tables_v2(module)
        migrations.protect_outbox_v3(module, app_role=None)

    def waits(self, event: Event) -> None:
        row = {"id": event.id, "line": event.aggregate, "sequence": event.sequence}
        self._connection.execute(text("INSERT INTO waiting VALUES (:id, :line, :sequence, now())"), row)

    def dead(self, event: Event, *, state: str = "dead", replacement: Event | None = None) -> UUID:
        row = {
            "id": event.id,
            "state": state,
            "type": event.type,
            "body": event.to_bytes(),
            "replacement": replacement and replacement.to_bytes(),
            "content": CONTENT_TYPE,
        }
        self._connection.execute(
            text("""
                INSERT INTO dead_letter
                       (id, state, type, reason, detail, attempts, body, replacement, content_type, headers, properties)
                VALUES (:id, :state, :type, 'refused-by-handler', 'no', 3, :body, :replacement, :content, '{}',
                        '{"sent_by": "shop"}')
            """),
            row,
        )
        return event.id

    def suspects(self, event: Event) -> None:
        self._connection.execute(text("INSERT INTO suspect VALUES (:id, 1)"), {"id": event.id})

    def upgrade(self) -> None:
        migrations.one_table_v4(self.op)
        migrations.operators_v5(self.op)
        migrations.trails_v6(self.op)


def upgraded(house: House, **rows: Any) -> dict[str, Any]:
    """Upgrade a house with what `rows` puts into it."""
    with house.engine.begin() as connection:
        old = OldHouse(house, connection)
        found = {name: put(old) for name, put in rows.items()}
        old.upgrade()
    return found


def send_back(house: House, *events: Event) -> None:
    """Send events as they come out of a wait queue, through the exchange that earlier versions declared."""
    requeue, queue = f"{house.service}.requeue", f"{house.service}.events"
    with pika.BlockingConnection(pika.URLParameters(house.amqp_url)) as connection:
        channel = connection.channel()
        channel.exchange_declare(requeue, "direct", durable=True)
        channel.queue_bind(queue, requeue, queue)
        channel.confirm_delivery()
        for event in events:
            headers = {"sent-by": "shop", "attempts": 2, "back-at": 1}
            properties = pika.BasicProperties(
                content_type=CONTENT_TYPE, headers=headers, message_id=str(event.id), type=event.type
            )
            properties.user_id = pika.URLParameters(house.amqp_url).credentials.username
            channel.basic_publish(requeue, queue, event.to_bytes(), properties)


def test_the_migrated_tables_are_those_of_a_new_database(house: House) -> None:
    new = described(house)
    upgraded(house)
    assert described(house) == new


def described(house: House) -> set[tuple[str, ...]]:
    """Columns and indexes of the tables, by name and definition; the names of sequences may differ."""
    columns = """
        SELECT table_name, column_name, data_type, is_nullable, coalesce(column_default, '')
          FROM information_schema.columns WHERE table_name = 'held_message'
    """
    indexes = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'held_message'"
    checks = """
        SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
         WHERE conrelid = 'held_message'::regclass AND contype = 'c'
    """
    with house.engine.connect() as connection:
        return {tuple(row) for query in (columns, indexes, checks) for row in connection.execute(text(query))}


def test_an_event_on_its_way_back_keeps_its_place_in_the_line(house: House) -> None:
    house.subscribe()
    first, second, third = (sold(n) for n in (1, 2, 3))
    upgraded(house, first=lambda old: old.waits(first), second=lambda old: old.waits(second))
    house.send_raw(third.to_bytes())
    house.consumer()
    eventually(lambda: house.unfinished() == {"waiting": 3})
    send_back(house, second, first)
    house.wait_for_effects(3)
    assert house.sequences("apples") == [1, 2, 3]
    eventually(lambda: house.unfinished() == {})
    assert house.dead_letters() == []


def test_an_event_that_never_comes_back_is_a_dead_letter_in_the_end_and_lets_the_others_go(house: House) -> None:
    house.subscribe()
    first, second = sold(1), sold(2)
    upgraded(house, first=lambda old: old.waits(first))
    house.send_raw(second.to_bytes())
    house.consumer()
    eventually(lambda: house.unfinished() == {"waiting": 2})
    with house.engine.begin() as connection:
        connection.execute(text("UPDATE held_message SET due_at = now() WHERE body = ''"))
    house.wait_for_effects(1)
    (letter,) = eventually(house.dead_letters)
    assert (letter.id, letter.reason) == (first.id, "not-an-event")
    send_back(house, first)  # though late, it is not lost
    house.wait_for_effects(2)


def test_letters_stand_as_they_stood(house: House) -> None:
    house.subscribe()
    dead, requested, discarding, replayed, discarded = (sold(1, subject=str(uuid4())) for _ in range(5))
    upgraded(
        house,
        dead=lambda old: old.dead(dead),
        requested=lambda old: old.dead(requested, state="replay_requested"),
        discarding=lambda old: old.dead(discarding, state="discard_requested"),
        replayed=lambda old: old.dead(replayed, state="replayed"),
        discarded=lambda old: old.dead(discarded, state="discarded"),
    )
    house.consumer()
    house.wait_for_effects(1)
    assert [effect.event_id for effect in house.effects()] == [requested.id]
    eventually(lambda: state(house, requested.id) is State.REPLAYED)
    assert [state(house, event.id) for event in (dead, discarding, replayed, discarded)] == [
        State.DEAD,
        State.DISCARDED,
        State.REPLAYED,
        State.DISCARDED,
    ]
    with house.sessions() as session:
        history = read_dead_letter(session, discarding.id).history
    assert [entry.action for entry in history] == ["discarded"]
    eventually(lambda: house.dead_in_queue() == 1)
    replay(house, dead.id)
    house.wait_for_effects(2)
    eventually(lambda: house.dead_in_queue() == 0)


def test_a_letter_that_was_being_replayed_edited_is_replayed_edited(house: House) -> None:
    house.subscribe()
    letter = sold(1)
    edited = Event.new(f"{SOLD}.v1", subject="apples", sequence=1, data={"n": 7})
    upgraded(house, letter=lambda old: old.dead(letter, state="replay_requested", replacement=edited))
    house.consumer()
    house.wait_for_effects(1)
    assert [(effect.event_id, effect.n) for effect in house.effects()] == [(edited.id, 7)]
    assert state(house, letter.id) is State.REPLAYED


def test_who_was_suspected_is_not_blamed_for_it(house: House) -> None:
    house.subscribe()
    event = sold(1)
    upgraded(house, event=lambda old: old.suspects(event))
    house.send_raw(event.to_bytes())
    house.consumer()
    house.wait_for_effects(1)


def test_a_placeholder_whose_event_dies_when_it_comes_lets_the_others_go(house: House) -> None:
    def refuse_the_first(_session: Session, event: Event) -> None:
        if event.sequence == 1:
            raise PermanentError("not this one")

    house.subscribe()
    house.handler = refuse_the_first
    first, second = sold(1), sold(2)
    upgraded(house, first=lambda old: old.waits(first))
    house.send_raw(second.to_bytes())
    house.consumer()
    eventually(lambda: house.unfinished() == {"waiting": 2})
    send_back(house, first)
    house.wait_for_effects(1)
    assert [letter.id for letter in house.dead_letters()] == [first.id]


def test_nobody_can_hurry_an_event_that_is_on_its_way_back(house: House) -> None:
    house.subscribe()
    first = sold(1)
    upgraded(house, first=lambda old: old.waits(first))
    with house.sessions.begin() as session:
        assert retry_waiting(session, by=ADA) == 0
    with house.sessions.begin() as session, pytest.raises(LetterNotDead):
        decide(session, first.id, Decision.REPLAY, by=ADA)


def test_an_old_letter_that_is_replayed_takes_its_place_in_the_line(house: House) -> None:
    house.keeps_order = True
    house.subscribe()
    refuses = {1}

    def refuse(_session: Session, event: Event) -> None:
        if event.sequence in refuses:
            raise PermanentError("not this one")

    house.handler = refuse
    first, second, third = sold(1), sold(2), sold(3)
    upgraded(house, letter=lambda old: old.dead(second))
    house.consumer()
    house.send_raw(first.to_bytes())
    eventually(lambda: len(house.dead_letters()) == 2)
    replay(house, second.id)
    eventually(lambda: house.unfinished() == {"waiting": 1})
    house.send_raw(third.to_bytes())
    eventually(lambda: house.unfinished() == {"waiting": 2})
    refuses.clear()
    replay(house, first.id)
    house.wait_for_effects(3)
    assert house.sequences("apples") == [1, 2, 3]


@pytest.mark.parametrize("data", [{"n": 7}, {"n": 7, "t": "a\0b"}], ids=["plain", "with NUL"])
def test_an_edited_event_that_died_already_does_not_stop_the_upgrade(house: House, data: dict[str, object]) -> None:
    letter = sold(1)
    edited = Event.new(f"{SOLD}.v1", subject="apples", sequence=1, data=data)
    upgraded(
        house,
        letter=lambda old: old.dead(letter, state="replay_requested", replacement=edited),
        edited=lambda old: old.dead(edited),
    )
    assert (state(house, letter.id), state(house, edited.id)) == (State.REPLAYED, State.DEAD)
