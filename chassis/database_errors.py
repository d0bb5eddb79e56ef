"""Which refusal an error of the database becomes."""

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chassis.errors import N_, Busy, TakesTooLong, Unavailable

# https://www.postgresql.org/docs/15/errcodes-appendix.html
_SOMEBODY_ELSE_HAS_IT = frozenset(("55P03", "40P01", "40001"))  # lock_timeout, deadlock, serialization failure
_CANCELLED = "57014"  # statement_timeout


def refusal_of_database(error: OperationalError | PoolTimeout) -> Unavailable:
    """Tell a database that is away from one that is busy with what somebody else does, or with too much."""
    if isinstance(error, PoolTimeout):
        return Busy(N_("Too many requests at once. Try again in a moment."))
    code = getattr(error.orig, "pgcode", None)
    if code in _SOMEBODY_ELSE_HAS_IT:
        return Busy(N_("Somebody else is changing the same thing. Try again in a moment."))
    if code == _CANCELLED:
        return TakesTooLong(N_("The database did not answer in time. Ask for less, or try again later."))
    return Unavailable(N_("The database does not answer. Try again in a moment."))
