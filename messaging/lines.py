"""The relay's window: what was fetched and not yet marked, in a line for each aggregate."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from messaging.outbox_reader import PendingEvent

#: Events of one aggregate in the window, at most: it takes a confirm after the other, and the others have to get in.
_LINE = 500
#: Events of one aggregate that are handed to the publisher together, at most: a relay that stops waits for them.
_CHAIN = 100

#: The next events of an aggregate, each to be sent when the one before it is confirmed.
Chain = list[PendingEvent]


@dataclass(slots=True)
class Line:
    """The events of an aggregate in order; the first of them are with the publisher."""

    events: deque[PendingEvent]
    handed_over: int = 0

    def chain(self) -> Chain:
        """Return what is to be handed over now."""
        found = list(islice(self.events, _CHAIN))
        self.handed_over = len(found)
        return found


@dataclass
class Lines:
    """What was fetched, in a line for each aggregate."""

    lines: dict[str, Line] = field(default_factory=dict)
    by_id: dict[int, PendingEvent] = field(default_factory=dict)
    #: Bytes of all bodies.
    size: int = 0
    #: Subjects whose line is as long as it may be: their next events stay in the outbox until it is half as long.
    crowded: set[str] = field(default_factory=set)

    def add(self, events: Iterable[PendingEvent]) -> list[Chain]:
        """Put events in line; return the chains that begin."""
        begun: list[Line] = []
        for event in events:
            if event.subject in self.crowded:
                continue
            self.by_id[event.id] = event
            self.size += len(event.body)
            line = self.lines.get(event.subject)
            if line is None:
                line = self.lines[event.subject] = Line(deque((event,)))
                begun.append(line)
            else:
                line.events.append(event)
                if len(line.events) >= _LINE:
                    self.crowded.add(event.subject)
        return [line.chain() for line in begun]

    def confirmed(self, event: PendingEvent) -> bool:
        """Take the event out; tell whether it was the last of its chain and another may begin."""
        line = self.lines[event.subject]
        self._take_out(line.events.popleft())
        line.handed_over -= 1
        if self.crowded and len(line.events) <= _LINE // 2:
            self.crowded.discard(event.subject)
        if not line.events:
            del self.lines[event.subject]
            return False
        return line.handed_over == 0

    def next_chain(self, subject: str) -> Chain:
        """Return the chain of the aggregate that begins, of which nothing is on its way any longer."""
        return self.lines[subject].chain()

    def drop(self, subject: str) -> None:
        """Forget the whole line of the aggregate: the outbox has it still."""
        for event in self.lines.pop(subject).events:
            self._take_out(event)
        self.crowded.discard(subject)

    def _take_out(self, event: PendingEvent) -> None:
        del self.by_id[event.id]
        self.size -= len(event.body)

    def handed_over(self) -> int:
        """How many events the publisher has yet to answer for."""
        return sum(line.handed_over for line in self.lines.values())
