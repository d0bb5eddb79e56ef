"""`publish` with the session of a request, as Flask-SQLAlchemy gives it: a scoped session around a class of its own."""

import select as sockets
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

from deploy.databases import ServiceDatabase
from messaging import Event, OutboxNotBound, SchemaRegistry, VersionedAggregate, bind_outbox, create_tables, publish
from messaging.database import new_engine
from messaging.driver import connect
from messaging.outbox_reader import CHANNEL
from messaging.tables import OutboxEvent

#: Seconds until a notification counts as lost.
_PATIENCE = 120
#: Of the request that is being answered.
request_id: ContextVar[int] = ContextVar("request_id", default=0)


class Base(DeclarativeBase):
    """The tables of these tests."""


class Item(VersionedAggregate, Base):
    __tablename__ = "items"
    name: Mapped[str] = mapped_column(primary_key=True)


@pytest.fixture(scope="module")
def url(database: Callable[..., ServiceDatabase]) -> str:
    return database("tracker").owner_url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    made = new_engine(url.replace("postgresql://", "postgresql+psycopg2://", 1))
    Base.metadata.drop_all(made)
    Base.metadata.create_all(made)
    create_tables(made)
    yield made
    made.dispose()


@pytest.fixture
def db_session(engine: Engine) -> Iterator[scoped_session[Any]]:
    """One session for each request, of a class that looks for the engine itself, with tea in the database."""

    class RoutedSession(Session):
        def get_bind(self, *_: Any, **__: Any) -> Engine:
            return engine

    made = scoped_session(sessionmaker(class_=RoutedSession), scopefunc=request_id.get)
    bind_outbox(made, SchemaRegistry({"shop.sold": {1: {}}}), engine, producer="shop")
    made.query(OutboxEvent).delete()
    made.add(Item(name="tea"))
    made.commit()
    made.remove()
    yield made
    made.remove()


def sell(db_session: scoped_session[Any], *, locked: bool) -> None:
    tea = Item.lock_one(db_session, Item.name == "tea") if locked else db_session.get_one(Item, "tea")
    assert tea is not None
    publish(db_session, Event.new("shop.sold.v1", subject="tea", sequence=tea.next_sequence(), data={}))


def outbox(db_session: scoped_session[Any]) -> list[int]:
    return list(db_session.scalars(select(OutboxEvent.sequence).order_by(OutboxEvent.id)))


@pytest.mark.parametrize("locked", [True, False])
def test_each_request_publishes_with_its_own_session(db_session: scoped_session[Any], locked: bool) -> None:
    for request in range(3):
        request_id.set(request)
        sell(db_session, locked=locked)
        db_session.commit()
        db_session.remove()
    assert outbox(db_session) == [1, 2, 3]


def test_a_request_that_fails_publishes_nothing(db_session: scoped_session[Any]) -> None:
    sell(db_session, locked=True)
    db_session.remove()
    sell(db_session, locked=True)
    db_session.rollback()
    sell(db_session, locked=True)
    db_session.commit()
    assert outbox(db_session) == [1]


def test_a_session_that_was_there_before_the_outbox_is_told_so(engine: Engine) -> None:
    early = scoped_session(sessionmaker(engine))
    with pytest.raises(OutboxNotBound):
        publish(early, Event.new("shop.sold.v1", subject="tea", sequence=1, data={}))
    early.remove()


def test_the_relay_hears_of_the_commit_and_the_connection_that_told_it_is_left_as_it_was(
    url: str, engine: Engine, db_session: scoped_session[Any]
) -> None:
    connected: list[Any] = []
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _: connected.append(connection))
    relay = connect(url)
    relay.autocommit = True
    relay.cursor().execute(f"LISTEN {CHANNEL}")
    sell(db_session, locked=True)
    db_session.commit()
    assert sockets.select([relay], [], [], _PATIENCE)[0] == [relay]
    relay.poll()
    (heard,) = relay.notifies
    (waker,) = [connection for connection in connected if connection.info.backend_pid == heard.pid]
    cursor = waker.cursor()
    cursor.execute("SELECT name FROM pg_settings WHERE source = 'session'")
    assert ([name for (name,) in cursor.fetchall() if name == "synchronous_commit"], waker.notices) == ([], [])
    relay.close()
