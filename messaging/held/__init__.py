"""Events in trouble: each is a row of one table, from its first failure until it is handled or discarded.

The consumer writes and takes rows in the transactions of the inbox and the effects, and acks a message once its row is
committed. People decide about those that are dead: see `messaging.dead_letters`.

    states.py   the states and what leads from one to the other
    rows.py     a message as a row and back
    lines.py    events of one aggregate that wait for each other
    changes.py  hold, take what is due, settle, die
"""

from typing import TYPE_CHECKING

from messaging.lazily import importer

if TYPE_CHECKING:
    from messaging.held.changes import (
        Line,
        begin_alone,
        block,
        count_waiting,
        die,
        forget_held,
        hold_until_due,
        settle,
        take_due,
    )
    from messaging.held.lines import Standing, lock_lines, look_up, release, take_places
    from messaging.held.rows import event_of


__all__ = [
    "Line",
    "Standing",
    "begin_alone",
    "block",
    "count_waiting",
    "die",
    "event_of",
    "forget_held",
    "hold_until_due",
    "lock_lines",
    "look_up",
    "release",
    "settle",
    "take_due",
    "take_places",
]

__getattr__ = importer(__name__, __file__)
