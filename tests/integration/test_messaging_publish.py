"""What is published stands or falls with the transaction that it was published in, savepoints included."""

from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.event import listen
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from messaging import Event, bind_outbox, publish
from messaging.tables import OutboxEvent
from tests.integration.messaging_house import SOLD, House, Shelf


def outbox(house: House) -> list[UUID]:
    """The ids of all events in the outbox, in the order of publication."""
    with house.sessions() as session:
        return list(session.scalars(select(OutboxEvent.event_id).order_by(OutboxEvent.id)))


def ids(*events: Event) -> list[UUID]:
    return [event.id for event in events]


def test_the_events_of_a_transaction_stand_in_the_order_in_which_they_were_published(house: House) -> None:
    with house.sessions.begin() as session:
        published = [house.sell_in(session, subject, n) for n in range(30) for subject in ("apples", "pears")]
    assert outbox(house) == ids(*published)


def test_nothing_is_left_of_a_transaction_that_was_rolled_back(house: House) -> None:
    with house.sessions() as session:
        house.sell_in(session, "apples")
        session.rollback()
        kept = house.sell_in(session, "pears")
        session.commit()
    assert outbox(house) == ids(kept)


def test_nothing_is_left_of_a_session_that_was_closed_and_is_used_again(house: House) -> None:
    session = house.sessions()
    house.sell_in(session, "apples")
    session.close()
    kept = house.sell_in(session, "pears")
    session.commit()
    session.close()
    assert outbox(house) == ids(kept)


def test_a_savepoint_takes_its_own_events_along_and_no_others(house: House) -> None:
    with house.sessions.begin() as session:
        before = house.sell_in(session, "apples")
        savepoint = session.begin_nested()
        house.sell_in(session, "pears")
        savepoint.rollback()
        after = house.sell_in(session, "plums")
    assert outbox(house) == ids(before, after)


def test_what_was_published_around_and_inside_a_savepoint_keeps_its_order(house: House) -> None:
    with house.sessions.begin() as session:
        before = house.sell_in(session, "apples", 1)
        with session.begin_nested():
            inside = house.sell_in(session, "apples", 2)
        after = house.sell_in(session, "apples", 3)
    assert outbox(house) == ids(before, inside, after)


def test_an_outer_savepoint_takes_along_what_an_inner_one_had_released(house: House) -> None:
    with house.sessions.begin() as session:
        kept = house.sell_in(session, "apples")
        outer = session.begin_nested()
        with session.begin_nested():
            house.sell_in(session, "pears")
        outer.rollback()
    assert outbox(house) == ids(kept)


def test_a_commit_of_all_with_a_savepoint_still_open_writes_everything(house: House) -> None:
    with house.sessions() as session:
        whole = session.begin()
        before = house.sell_in(session, "apples")
        session.begin_nested()
        inside = house.sell_in(session, "pears")
        whole.commit()
    assert outbox(house) == ids(before, inside)


def test_an_error_inside_a_savepoint_that_is_caught_costs_only_its_own_events(house: House) -> None:
    with house.sessions.begin() as session:
        before = house.sell_in(session, "apples")
        with pytest.raises(IntegrityError), session.begin_nested():
            house.sell_in(session, "pears")
            session.add(Shelf(name="apples", version=1))
            session.flush()
        after = house.sell_in(session, "plums")
    assert outbox(house) == ids(before, after)


def test_a_flush_does_not_make_an_event_forgotten(house: House) -> None:
    with house.sessions.begin() as session:
        published = house.sell_in(session, "apples")
        session.add(Shelf(name="pears", version=1))
        session.flush()
        assert shelves(session) == 2
    assert outbox(house) == ids(published)


@pytest.mark.parametrize("moment", ["before_flush", "after_flush"])
def test_what_is_published_while_the_last_flush_is_under_way_is_not_lost(house: House, moment: str) -> None:
    published: list[Event] = []

    def publish_once(session: Session, *_: object) -> None:
        if not published:
            event = Event.new(f"{SOLD}.v2", subject="plums", sequence=1, data={"n": 1, "colour": "blue"})
            published.append(event)
            publish(session, event)

    with house.sessions() as session:
        listen(session, moment, publish_once)
        session.add(Shelf(name="pears", version=1))
        session.commit()
    assert outbox(house) == ids(*published)


def test_an_outbox_in_a_database_of_its_own_mapping_is_found(house: House) -> None:
    sessions = sessionmaker(binds={OutboxEvent: house.engine, Shelf: house.engine})
    bind_outbox(sessions, house.registry, house.engine)
    data = {"n": 1, "colour": "blue"}
    before, inside = (Event.new(f"{SOLD}.v2", subject="plums", sequence=n, data=data) for n in (1, 2))
    with sessions.begin() as session:
        publish(session, before)
        with session.begin_nested():
            publish(session, inside)
    assert outbox(house) == ids(before, inside)


def shelves(session: Session) -> int:
    return session.scalars(select(func.count()).select_from(Shelf)).one()
