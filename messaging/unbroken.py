"""A handler works in a transaction that it shares with the inbox and the handlers of all other events of the batch.

A commit would write down the others as handled before they are, a rollback would undo what is done of them. Either way
they would be acked and lost.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from sqlalchemy import event
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session, sessionmaker

from messaging.errors import EndsTheTransaction

_GUARDED = "messaging.guarded"
#: Those that `guard_transactions` has seen. `event.contains` would answer by the place in memory, and so perhaps for
#: another sessionmaker that once stood there.
_seen: WeakSet[sessionmaker[Session]] = WeakSet()


def guard_transactions(sessions: sessionmaker[Session]) -> None:
    """Let `unbroken` see each commit of these sessions before it is one."""
    if sessions not in _seen:
        event.listen(sessions, "before_commit", _refuse_commit, insert=True)
        _seen.add(sessions)


@contextmanager
def unbroken(session: Session) -> Iterator[None]:
    """Raise EndsTheTransaction if the block commits, rolls back or closes the session. It may use savepoints."""
    root = session.get_transaction()
    session.info[_GUARDED] = True
    try:
        yield
    except InvalidRequestError as error:  # so SQLAlchemy answers who goes on after a rollback
        if session.get_transaction() is root:
            raise
        raise EndsTheTransaction(_ENDED) from error
    finally:
        session.info[_GUARDED] = False
    if root is None or session.get_transaction() is not root or not root.is_active or _has_failed(session):
        raise EndsTheTransaction(_ENDED)


def _has_failed(session: Session) -> bool:
    """Tell whether a statement failed and nobody rolled it back. Postgres answers COMMIT with a rollback then, and says
    so in no error (https://www.postgresql.org/docs/current/sql-commit.html).
    """
    info = getattr(session.connection().connection.dbapi_connection, "info", None)
    return info is not None and info.transaction_status == TRANSACTION_STATUS_INERROR


def _refuse_commit(session: Session) -> None:
    if session.info.get(_GUARDED) and not session.in_nested_transaction():
        raise EndsTheTransaction("the handler commits: the transaction belongs to the consumer")


_ENDED = (
    "the handler has rolled back or closed the transaction, which belongs to the consumer, or swallowed what broke it"
)
