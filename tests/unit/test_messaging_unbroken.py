"""A handler that ends the transaction it was given gets an error, before other events of the batch are lost."""

import gc
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import StaticPool

from messaging.errors import EndsTheTransaction
from messaging.unbroken import guard_transactions, unbroken

INSERT = text("INSERT INTO done VALUES (:n)")


@pytest.fixture
def sessions() -> Iterator[sessionmaker[Session]]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    made = sessionmaker(engine)
    guard_transactions(made)
    guard_transactions(made)
    with made.begin() as session:
        session.execute(text("CREATE TABLE done (n integer PRIMARY KEY)"))
    yield made
    engine.dispose()


def done(sessions: sessionmaker[Session]) -> list[int]:
    with sessions() as session:
        return list(session.scalars(text("SELECT n FROM done ORDER BY n")))


def roll_back_and_go_on(session: Session) -> None:
    session.rollback()
    session.execute(INSERT, {"n": 3})


@pytest.mark.parametrize("ending", [Session.commit, Session.rollback, Session.close, roll_back_and_go_on])
def test_who_ends_the_transaction_is_told_and_nothing_of_it_is_committed(
    sessions: sessionmaker[Session], ending: Callable[[Session], None]
) -> None:
    with pytest.raises(EndsTheTransaction), sessions.begin() as session:
        session.execute(INSERT, {"n": 1})
        with unbroken(session):
            session.execute(INSERT, {"n": 2})
            ending(session)
    assert done(sessions) == []


def test_a_savepoint_may_be_released_and_rolled_back(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session, unbroken(session):
        with session.begin_nested():
            session.execute(INSERT, {"n": 1})
        with pytest.raises(IntegrityError), session.begin_nested():
            session.execute(INSERT, {"n": 1})
        session.begin_nested().rollback()
    assert done(sessions) == [1]


def test_the_error_of_the_block_is_not_hidden(sessions: sessionmaker[Session]) -> None:
    with pytest.raises(ZeroDivisionError), sessions.begin() as session, unbroken(session):
        session.rollback()
        raise ZeroDivisionError


def test_who_owns_the_transaction_may_commit_it_between_two_blocks(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        for n in (1, 2):
            session.execute(INSERT, {"n": n})
            with unbroken(session):
                pass
            session.commit()
    assert done(sessions) == [1, 2]


def test_a_commit_is_refused_also_where_another_sessionmaker_once_stood_in_memory() -> None:
    places = set()
    for _ in range(20):
        gc.collect()  # those of before leave their places
        sessions = sessionmaker()
        guard_transactions(sessions)
        with pytest.raises(EndsTheTransaction, match="commits"), sessions.begin() as session, unbroken(session):
            session.commit()
        places.add(id(sessions))
    assert len(places) < 20
