"""Which refusal an error of the database becomes."""

import psycopg2
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chassis.errors import N_, Busy, TakesTooLong, Unavailable

#: All that comes of a database. psycopg2's own come out where SQLAlchemy does not look, such as where a connection is
#: switched to autocommit that was cut a moment ago.
DATABASE_ERRORS = (DBAPIError, psycopg2.OperationalError, psycopg2.InterfaceError, PoolTimeout)

# https://www.postgresql.org/docs/15/errcodes-appendix.html
_SOMEBODY_ELSE_HAS_IT = frozenset(("55P03", "40P01", "40001"))  # lock_timeout, deadlock, serialization failure
_CANCELLED = "57014"  # statement_timeout


def refusal_of_database(error: Exception) -> Unavailable | None:
    """Tell a database that is away from one that is busy with what somebody else does, or with too much.

    `error` is one of DATABASE_ERRORS. None if it is neither: then our statement is at fault.
    """
    if isinstance(error, PoolTimeout):
        return Busy(N_("Too many requests at once. Try again in a moment."))
    said = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(said, "pgcode", None)
    if code in _SOMEBODY_ELSE_HAS_IT:
        return Busy(N_("Somebody else is changing the same thing. Try again in a moment."))
    if code == _CANCELLED:
        return TakesTooLong(N_("The database did not answer in time. Ask for less, or try again later."))
    is_cut = isinstance(error, DBAPIError) and error.connection_invalidated
    if is_cut or isinstance(said, (psycopg2.OperationalError, psycopg2.InterfaceError)):
        return Unavailable(N_("The database does not answer. Try again in a moment."))
    return None
