"""Aggregates that publish: the lock of the row and the next `sequence`, which together keep the order of their events.

Whoever counts holds the row until the commit, so the next version cannot exist before this one is committed.
"""

from collections.abc import Sequence
from typing import Any, Self

from sqlalchemy import ColumnElement, event, inspect, select
from sqlalchemy.exc import MultipleResultsFound
from sqlalchemy.orm import InstanceState, Mapped, Session, mapped_column
from sqlalchemy.orm.exc import DetachedInstanceError

from messaging.database import AnySession, session_of

_HELD_SINCE = "messaging.held_since"
#: FOR NO KEY UPDATE: what an UPDATE takes, too. Others may insert rows that refer to this one.
_NO_KEY: Any = {"key_share": True}


class VersionedAggregate:
    """Mixin for the table of an aggregate: its version is the `sequence` of its latest event."""

    version: Mapped[int] = mapped_column(default=0)

    @classmethod
    def lock_one(cls, session: AnySession, *conditions: ColumnElement[bool]) -> Self | None:
        """Lock the aggregate that meets the conditions, and return it as it is now; None if there is none.

        For those who look before they change: what was read without the lock may be over by now.
        Raises MultipleResultsFound if the conditions are those of several.
        """
        found = cls.lock_all(session, *conditions)
        if len(found) > 1:
            raise MultipleResultsFound(f"{len(found)} {cls.__name__} meet the conditions of one")
        return found[0] if found else None

    @classmethod
    def lock_all(cls, session: AnySession, *conditions: ColumnElement[bool]) -> Sequence[Self]:
        """Lock all that meet the conditions, and return them as they are now.

        By primary key, so that two who lock some of the same do not wait for each other.
        """
        wanted = select(cls).where(*conditions).order_by(*inspect(cls).primary_key).with_for_update(**_NO_KEY)
        found = session.scalars(wanted, execution_options={"populate_existing": True}).all()
        for aggregate in found:
            _note_held(inspect(aggregate), session_of(session))
        return found

    def next_sequence(self) -> int:
        """Lock the row, count the version up and return it, for one event. The lock is kept until the commit.

        A row that this transaction has locked by `lock_one` or `lock_all`, or has inserted, is not locked once more.
        Raises DetachedInstanceError if the aggregate has left its session.
        """
        state: InstanceState[Self] = inspect(self)
        if not (state.transient or state.pending):
            _hold(state)
        self.version = (self.version or 0) + 1  # the column's default comes only with the flush
        return self.version


def _hold(state: InstanceState[Any]) -> None:
    session = state.session
    if session is None:
        raise DetachedInstanceError(f"{state.class_.__name__} is in no session: its row cannot be locked")
    if not _is_held(state, session):
        session.refresh(state.obj(), ["version"], with_for_update=_NO_KEY)
        _note_held(state, session)


def _is_held(state: InstanceState[Any], session: Session) -> bool:
    """Tell whether the lock was taken in a transaction or savepoint that is still open.

    Of a savepoint that was released this is not known; then the row is locked again, which costs a round trip.
    """
    since = state.info.get(_HELD_SINCE)
    open_now = session.get_nested_transaction() or session.get_transaction()
    while open_now is not None and open_now is not since:
        open_now = open_now.parent
    return open_now is not None


def _note_held(state: InstanceState[Any], session: Session) -> None:
    state.info[_HELD_SINCE] = session.get_nested_transaction() or session.get_transaction()


@event.listens_for(VersionedAggregate, "after_insert", propagate=True)
def _insert_is_held(_mapper: object, _connection: object, target: VersionedAggregate) -> None:
    """Nobody else sees the row before the commit."""
    state: InstanceState[Any] = inspect(target)
    if state.session is not None:
        _note_held(state, state.session)
