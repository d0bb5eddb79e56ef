"""The states of a held message, and what can happen to one.

    waiting ------------> handled                           waits for its next attempt; `due_at` says when
       ^  |                                                 a row that has never died is deleted then
       |  `-> dead -> replay_requested -> replayed          the replay is due at once; if it fails, it waits again
       |        `---> discarded
    blocked                                                 waits behind an earlier event of its aggregate

In its aggregate's line stands what waits, what is blocked, and, of the names that keep their order through death, what
is dead or to be replayed. What is due and has an earlier one in its line is blocked when its turn is looked at.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a held message stands."""

    WAITING = "waiting"
    BLOCKED = "blocked"
    DEAD = "dead"
    REPLAY_REQUESTED = "replay_requested"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


#: The dead letters that are not done with: what the list shows unless told otherwise.
OPEN = (State.DEAD, State.REPLAY_REQUESTED)

#: What is going to be handled without anybody doing anything.
LIVING = (State.WAITING, State.BLOCKED, State.REPLAY_REQUESTED)

#: What is tried again by itself, at its time or in its turn.
HELD = (State.WAITING, State.BLOCKED)

#: By what a list can be filtered: the open letters, what is tried again by itself, those in one state, or all.
STATE_FILTERS: Mapping[str, tuple[State, ...]] = MappingProxyType(
    {"open": OPEN, "held": HELD, **{state.value: (state,) for state in State}, "all": tuple(State)}
)


class Action(StrEnum):
    """What can happen to a dead letter, as its history names it."""

    DIED = "died"
    REPLAY_REQUESTED = "replay_requested"
    EDITED = "edited"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
