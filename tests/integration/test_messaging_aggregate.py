"""A versioned aggregate: who counts its events holds its row, so they are numbered and sent as they were committed."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.exc import MultipleResultsFound
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.orm.exc import DetachedInstanceError

from deploy.databases import ServiceDatabase
from messaging import Event, SchemaRegistry, VersionedAggregate, bind_outbox, create_tables, publish
from messaging.database import new_engine
from messaging.tables import OutboxEvent
from tests.waiting import eventually, somebody_waits_for_a_lock


class Base(DeclarativeBase):
    """The tables of these tests."""


class Item(VersionedAggregate, Base):
    __tablename__ = "items"
    name: Mapped[str] = mapped_column(primary_key=True)
    stock: Mapped[int] = mapped_column(default=0)


@pytest.fixture(scope="module")
def engine(database: Callable[..., ServiceDatabase]) -> Iterator[Engine]:
    made = new_engine(database("tracker").owner_url.replace("postgresql://", "postgresql+psycopg2://", 1))
    Base.metadata.create_all(made)
    create_tables(made)
    yield made
    made.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    """With tea and coffee on the shelves, and nothing published."""
    made = sessionmaker(engine)
    bind_outbox(made, SchemaRegistry({"shop.sold": {1: {}}}), engine)
    with made.begin() as session:
        for table in (Item, OutboxEvent):
            session.query(table).delete()
        session.add_all([Item(name="tea", stock=9), Item(name="coffee", stock=9)])
    return made


def sell(session: Session, item: Item) -> int:
    sequence = item.next_sequence()
    publish(session, Event.new("shop.sold.v1", subject=item.name, sequence=sequence, data={}))
    return sequence


def outbox(sessions: sessionmaker[Session]) -> list[tuple[str, int]]:
    with sessions() as session:
        rows = session.execute(select(OutboxEvent.subject, OutboxEvent.sequence).order_by(OutboxEvent.id))
        return [(subject, sequence) for subject, sequence in rows]


@contextmanager
def locks_taken(engine: Engine) -> Iterator[list[str]]:
    """The statements of the block that lock rows."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FOR NO KEY UPDATE" in statement:
            found.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


def commit_once_waited_for(engine: Engine, session: Session, work: Callable[[], None]) -> None:
    """Have the work done on another thread, and commit the session when that waits for its lock."""
    with ThreadPoolExecutor() as threads:
        working = threads.submit(work)
        eventually(lambda: somebody_waits_for_a_lock(engine))
        session.commit()
    working.result()


def test_a_new_aggregate_counts_from_one_and_takes_no_lock(engine: Engine, sessions: sessionmaker[Session]) -> None:
    with locks_taken(engine) as locks, sessions.begin() as session:
        cocoa = Item(name="cocoa")
        session.add(cocoa)
        first = sell(session, cocoa)
        session.flush()
        assert (first, sell(session, cocoa)) == (1, 2)
    assert locks == []
    assert outbox(sessions) == [("cocoa", 1), ("cocoa", 2)]
    with sessions() as session:
        assert session.get_one(Item, "cocoa").version == 2


def test_who_has_locked_the_aggregate_counts_without_a_further_lock(
    engine: Engine, sessions: sessionmaker[Session]
) -> None:
    with locks_taken(engine) as locks, sessions.begin() as session:
        tea = Item.lock_one(session, Item.name == "tea")
        assert tea is not None
        with session.begin_nested():
            sell(session, tea)
        sell(session, tea)
    assert len(locks) == 1
    assert outbox(sessions) == [("tea", 1), ("tea", 2)]


def test_who_waits_for_the_lock_sees_what_the_other_one_did(engine: Engine, sessions: sessionmaker[Session]) -> None:
    def sell_another() -> None:
        with sessions.begin() as session:
            assert session.get_one(Item, "tea").stock == 9, "without the lock, and over in a moment"
            tea = Item.lock_one(session, Item.name == "tea")
            assert tea is not None
            tea.stock -= 1
            sell(session, tea)

    with sessions() as session:
        tea = Item.lock_one(session, Item.name == "tea")
        assert tea is not None
        tea.stock -= 1
        sell(session, tea)
        commit_once_waited_for(engine, session, sell_another)
    assert outbox(sessions) == [("tea", 1), ("tea", 2)]
    with sessions() as session:
        assert session.get_one(Item, "tea").stock == 7


def test_to_count_is_to_lock_so_whoever_did_not_lock_still_waits_and_counts_on(
    engine: Engine, sessions: sessionmaker[Session]
) -> None:
    def sell_another() -> None:
        with sessions.begin() as session:
            sell(session, session.get_one(Item, "tea"))

    with sessions() as session:
        sell(session, session.get_one(Item, "tea"))
        commit_once_waited_for(engine, session, sell_another)
    assert outbox(sessions) == [("tea", 1), ("tea", 2)]


def test_a_lock_that_went_with_its_savepoint_is_taken_again(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        tea = session.get_one(Item, "tea")
        savepoint = session.begin_nested()
        assert Item.lock_one(session, Item.name == "tea") is tea
        savepoint.rollback()
        with sessions.begin() as another:
            sell(another, another.get_one(Item, "tea"))
        sell(session, tea)
    assert outbox(sessions) == [("tea", 1), ("tea", 2)]


def test_a_lock_that_went_with_its_transaction_is_taken_again(sessions: sessionmaker[Session]) -> None:
    with sessions(expire_on_commit=False) as session:
        tea = Item.lock_one(session, Item.name == "tea")
        assert tea is not None
        sell(session, tea)
        session.commit()
        with sessions.begin() as another:
            sell(another, another.get_one(Item, "tea"))
        sell(session, tea)
        session.commit()
    assert outbox(sessions) == [("tea", 1), ("tea", 2), ("tea", 3)]


def test_many_are_locked_in_the_order_of_their_keys(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        assert [item.name for item in Item.lock_all(session, Item.stock == 9)] == ["coffee", "tea"]


def test_one_is_one_or_none(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        assert Item.lock_one(session, Item.name == "cocoa") is None
        with pytest.raises(MultipleResultsFound, match="2 Item meet the conditions of one"):
            Item.lock_one(session, Item.stock == 9)


def test_nobody_counts_outside_of_a_session(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        tea = session.get_one(Item, "tea")
        session.expunge(tea)
    with pytest.raises(DetachedInstanceError, match="Item is in no session"):
        tea.next_sequence()
