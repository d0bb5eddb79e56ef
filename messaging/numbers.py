"""What outbox and events in trouble amount to, asked by the driver alone: for probes of processes that have no ORM.

With a session: `outbox_status`, `count_dead_letters` and `count_waiting`, which say the same.
"""

from typing import NamedTuple

import psycopg2

from messaging.held.states import HELD, OPEN

_NUMBERS = """
    SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL),
           (SELECT greatest(0, date_part('epoch', clock_timestamp() - created_at))
              FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT 1),
           coalesce((SELECT published_total FROM relay_progress), 0),
           (SELECT count(*) FROM held_message WHERE state = ANY(%(open)s)),
           (SELECT count(*) FROM held_message WHERE state = ANY(%(held)s))
"""


class Numbers(NamedTuple):
    """As of now."""

    #: Events committed and not yet confirmed by the broker.
    pending: int
    #: Age of the oldest of them; None if there is none.
    oldest_pending_seconds: float | None
    #: Events ever confirmed.
    published_total: int
    #: Dead letters that nobody has replayed or discarded yet.
    dead_letters: int
    #: Events that wait for their next attempt, or behind one that does.
    waiting: int


def read_numbers(connection: psycopg2.extensions.connection) -> Numbers:
    """Count. Raises psycopg2.Error."""
    with connection.cursor() as cursor:
        cursor.execute(_NUMBERS, {"open": [*map(str, OPEN)], "held": [*map(str, HELD)]})
        return Numbers._make(cursor.fetchone() or ())
