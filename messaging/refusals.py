"""Events that the broker does not take: they wait on their own, each with its aggregate, and all others flow.

Whether a message is taken depends on where it goes: no queue is bound for its routing key, or a queue is full. So of
each type one event is offered again, after pauses that grow; when it is taken, the others of its type follow.
"""

import logging
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from messaging.outbox_reader import PendingEvent

_log = logging.getLogger(__name__)

#: Seconds before an event is offered again: after it was refused once, twice, ... and ever after.
_PAUSES = (0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
#: Events of one type that are kept here, at most. When more are refused, all of the type stay in the outbox.
_KEPT = 100
#: Bytes of their bodies, at most.
_KEPT_BYTES = 1024 * 1024
#: Seconds before it is logged again that the same type is refused.
_SAY_AGAIN = 60.0


@dataclass
class _Refused:
    """What waits of one type."""

    #: By the monotonic clock: when one of them is offered again.
    due: float
    #: What the broker said last.
    reason: str = ""
    #: Each the next of its aggregate; the first is offered first.
    waiting: deque[PendingEvent] = field(default_factory=deque)
    size: int = 0
    #: How often one was refused, since the last was taken.
    times: int = 0
    #: The id of the event that is on its way once more.
    offered: int | None = None
    #: More was refused than is kept here.
    overflowed: bool = False

    def keep(self, event: PendingEvent) -> None:
        if len(self.waiting) >= _KEPT or self.size >= _KEPT_BYTES:
            self.overflowed = True
        else:
            self.waiting.append(event)
            self.size += len(event.body)

    def offer(self) -> PendingEvent:
        event = self.waiting.popleft()
        self.size -= len(event.body)
        self.offered = event.id
        return event


class Refusals:
    """What the broker did not take, by type. Of an aggregate that waits here nothing else may be sent."""

    def __init__(self) -> None:
        """Begin with nothing refused."""
        self._types: dict[str, _Refused] = {}
        #: By type: when it was last logged that it is refused.
        self._said: dict[str, float] = {}

    def __bool__(self) -> bool:
        """Tell whether anything is refused."""
        return bool(self._types)

    def refused(self, event: PendingEvent, reason: str) -> None:
        """Keep an event that the broker did not take, or have the outbox keep it: see `overflowed`."""
        now = time.monotonic()
        found = self._types.setdefault(event.type, _Refused(due=now + _PAUSES[0]))
        found.reason = reason
        if event.id == found.offered:
            found.offered = None
            found.times += 1
            found.due = now + _PAUSES[min(found.times, len(_PAUSES) - 1)]
        found.keep(event)
        if now >= self._said.get(event.type, -inf) + _SAY_AGAIN:
            self._said[event.type] = now
            _log.warning("%s is not taken by the broker and waits, trying again: %s", event.type, reason)

    def taken(self, event: PendingEvent) -> list[PendingEvent] | None:
        """Say that the broker took an event. If it was one that was offered again, return the others of its type.

        They may go now, and what the outbox holds back of the type may be fetched. None: nothing is new.
        """
        found = self._types.get(event.type)
        if found is None or event.id != found.offered:
            return None
        del self._types[event.type]
        return list(found.waiting)

    def due(self) -> list[PendingEvent]:
        """Take out the events that are to be offered again now."""
        now = time.monotonic()
        return [found.offer() for found in self._in_waiting() if found.due <= now]

    def seconds_until_due(self) -> float:
        """Return how long to wait before the next offer; infinity if there is none."""
        return max(0.0, min((found.due for found in self._in_waiting()), default=inf) - time.monotonic())

    def _in_waiting(self) -> Iterator[_Refused]:
        return (found for found in self._types.values() if found.offered is None)

    def subjects(self) -> list[str]:
        """Return the aggregates of which nothing may be fetched."""
        return [event.subject for found in self._types.values() for event in found.waiting]

    def overflowed(self) -> list[str]:
        """Return the types of which more was refused than is kept here.

        Nothing may be fetched of an aggregate that has such an event pending.
        """
        return [type_ for type_, found in self._types.items() if found.overflowed]

    def describe(self) -> str:
        """Say in words what is refused and why."""
        return ", ".join(f"{type_} ({found.reason})" for type_, found in sorted(self._types.items()))
