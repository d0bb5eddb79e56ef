"""What relay and consumer tell of their work while they do it: for metrics and traces, which are not made here."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

from messaging.envelope import Event
from messaging.pending import PendingEvent

#: What became of a delivery. `waiting`: it stands in line behind an earlier event of its aggregate that waits.
#: A duplicate is a copy of an event that had its effect before, or is dead.
OutcomeName = Literal["done", "duplicate", "retry", "waiting", "dead"]


class Observer:
    """Hears what happens, on the thread on which it happens, and does nothing: override what you want to know."""

    def published(self, events: Sequence[PendingEvent]) -> None:
        """The broker has confirmed these events, and they have just been marked: they are pending no more."""

    def outcome(self, outcome: OutcomeName, event: Event | None) -> None:
        """A delivery came to its end, after the commit of its effect. `event` is None if it could not be read."""

    def handling(self, event: Event) -> AbstractContextManager[object]:
        """Return a context for the handler: inside the message context of the event, inside the transaction.

        Those of a batch that is handled at once are entered one inside the other.
        """
        del event
        return nullcontext()
