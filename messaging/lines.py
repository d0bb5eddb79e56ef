"""The relay's window: what was fetched and not yet marked, in a line for each aggregate."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from messaging.outbox_reader import PendingEvent

#: Events of one aggregate in the window, at most: it takes a confirm after the other, and the others have to get in.
_LINE = 500


@dataclass
class Lines:
    """What was fetched, in a line for each aggregate; the head of a line is the one on its way."""

    lines: dict[str, deque[PendingEvent]] = field(default_factory=dict)
    by_id: dict[int, PendingEvent] = field(default_factory=dict)
    #: Bytes of all bodies.
    size: int = 0
    #: Subjects whose line is as long as it may be: their next events stay in the outbox until it is half as long.
    crowded: set[str] = field(default_factory=set)

    def add(self, events: Iterable[PendingEvent]) -> list[PendingEvent]:
        """Put events in line; return those that are first and may go."""
        first = []
        for event in events:
            if event.subject in self.crowded:
                continue
            self.by_id[event.id] = event
            self.size += len(event.body)
            line = self.lines.get(event.subject)
            if line is None:
                self.lines[event.subject] = deque((event,))
                first.append(event)
            else:
                line.append(event)
                if len(line) >= _LINE:
                    self.crowded.add(event.subject)
        return first

    def confirmed(self, event: PendingEvent) -> PendingEvent | None:
        """Take the event out; return the next of its aggregate, which may go now."""
        line = self.lines[event.subject]
        self._take_out(line.popleft())
        if self.crowded and len(line) <= _LINE // 2:
            self.crowded.discard(event.subject)
        if line:
            return line[0]
        del self.lines[event.subject]
        return None

    def drop(self, subject: str) -> None:
        """Forget the whole line of the aggregate: the outbox has it still."""
        for event in self.lines.pop(subject):
            self._take_out(event)
        self.crowded.discard(subject)

    def _take_out(self, event: PendingEvent) -> None:
        del self.by_id[event.id]
        self.size -= len(event.body)

    def on_their_way(self) -> int:
        """How many events the broker has yet to answer for."""
        return len(self.lines)
