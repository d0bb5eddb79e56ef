"""How far the business clock of a demonstration is ahead of the database's: one row in the database of each service.

Only business time is moved by it: days, and the moments at which things are said to have happened. Leases, timeouts and
the lives of tokens go by real time.
"""

from datetime import timedelta
from types import ModuleType
from uuid import UUID

import structlog
from sqlalchemy import BigInteger, SmallInteger, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from chassis.errors import N_, Invalid

#: Of more days together billing closes none before a person has confirmed them.
MOST_AT_ONCE = timedelta(days=3)
#: So that a month a day can be shown for years, and no day is one that no service takes.
FURTHEST = timedelta(days=36_500)

_FIELD = "ahead_seconds"
_log = structlog.get_logger(__name__)

#: The condition is looked at again when the row was locked by another move.
_MOVE = text(
    """
    UPDATE clock_offset SET seconds = :seconds
    WHERE seconds <= :seconds AND seconds >= :seconds - :most
    RETURNING seconds
    """
)


class ClockOffsetTable:
    """Mixin for a service's table of this one row. A service adds a `__tablename__`, `clock_offset`."""

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    seconds: Mapped[int] = mapped_column(BigInteger)


class ClockNotMoved(Invalid):
    """The clock goes forward only, and not far at once."""

    title = N_("The clock stays where it is")

    def __init__(self, message: str) -> None:
        super().__init__(message, errors={_FIELD: [message]})


def read_offset(session: Session) -> int:
    """Return by how many seconds the business clock is ahead."""
    seconds: int = session.execute(text("SELECT seconds FROM clock_offset")).scalar_one()
    return seconds


def move_clock(session: Session, seconds: int, *, by: UUID) -> None:
    """Let the business clock be so many seconds ahead; nothing happens if it is. Raises ClockNotMoved.

    Of two at the same moment the second sees what the first has done, so that no clock ever goes back.
    """
    if session.execute(_MOVE, {"seconds": seconds, "most": MOST_AT_ONCE.total_seconds()}).first() is None:
        if seconds < read_offset(session):
            raise ClockNotMoved(N_("It only goes forward."))
        raise ClockNotMoved(N_("It goes forward by three days at the most at once."))
    _log.info("business_clock_moved", ahead_seconds=seconds, by=str(by))


def create_clock_offset(op: ModuleType) -> None:
    """Create the row, and have `business_now()` heed it, in a migration; `op` is alembic's."""
    op.execute(
        f"""
        CREATE TABLE clock_offset (
            id smallint CONSTRAINT clock_offset_pkey PRIMARY KEY,
            seconds bigint NOT NULL,
            CONSTRAINT clock_offset_single_check CHECK (id = 1),
            CONSTRAINT clock_offset_seconds_check CHECK (seconds BETWEEN 0 AND {FURTHEST.total_seconds():.0f})
        )
        """
    )
    op.execute("INSERT INTO clock_offset VALUES (1, 0)")
    op.execute(
        "CREATE OR REPLACE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE "
        "AS 'SELECT statement_timestamp() + make_interval(secs => (SELECT seconds FROM clock_offset))'"
    )
