"""The relay: pending rows of the outbox, in order, to the broker; each marked once the broker has confirmed it.

At least once: a crash between confirm and mark sends an event again, with the same id, and consumers deduplicate.
Order: at most one event of an aggregate is on its way at any time, the next follows when that one is confirmed.
So neither a refused message nor a lost connection can let a later event overtake an earlier one.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from messaging.condition import Condition
from messaging.observer import Observer, tell
from messaging.outgoing import outgoing
from messaging.pending import PendingEvent, PendingEvents, StorageUnavailable
from messaging.topology import DEFAULT_EXCHANGE
from messaging.transport import Broker, Publisher

_log = logging.getLogger(__name__)

#: Events fetched and not yet marked, at most. With confirms after a few milliseconds it keeps the broker busy.
WINDOW = 5_000
#: Bytes of their bodies, at most: an outbox of large events must not need more memory than there is.
_WINDOW_BYTES = 64 * 1024 * 1024
#: Events of the first fetch. Later ones bring up to twice what is in hand, so that the broker is busy meanwhile.
_FIRST_FETCH = 500
#: Events of one aggregate in the window, at most: it takes a confirm after the other, and the others have to get in.
_LINE = 500
#: Seconds after which the relay looks into the outbox without being woken.
_POLL = 0.5
#: Seconds a standby waits before it asks for the lock again.
_STANDBY = 0.5
#: Seconds before an event that the broker refused is offered again.
_REFUSED_PAUSE = 0.2
#: Seconds to wait for the last confirms when the relay stops.
_LAST_CONFIRMS = 2.0


@dataclass
class _Lines:
    """What was fetched, in a line for each aggregate; the head of a line is the one on its way."""

    lines: dict[str, deque[PendingEvent]] = field(default_factory=dict)
    by_id: dict[int, PendingEvent] = field(default_factory=dict)
    #: Bytes of all bodies.
    size: int = 0
    #: Subjects whose line is as long as it may be: their next events stay in the outbox until it is half as long.
    crowded: set[str] = field(default_factory=set)
    #: By the monotonic clock: before then nobody is looked for behind a line that is full.
    next_passing: float = 0.0

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
        del self.by_id[event.id]
        self.size -= len(event.body)
        line = self.lines[event.subject]
        line.popleft()
        if self.crowded and len(line) <= _LINE // 2:
            self.crowded.discard(event.subject)
        if line:
            return line[0]
        del self.lines[event.subject]
        return None

    def on_their_way(self) -> int:
        """How many events the broker has yet to answer for."""
        return len(self.lines)


class Relay:
    """Publishes the outbox of one database. Several may run: one works, the others stand by."""

    def __init__(
        self,
        database_url: str,
        broker: Broker,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        window: int = WINDOW,
        observer: Observer | None = None,
    ) -> None:
        """Take where the outbox lies and where events go."""
        self._database_url = database_url
        self._broker = broker
        self._exchange = exchange
        self._window = window
        self._observer = observer or Observer()
        self.condition = Condition()
        #: Set while this relay holds the lock and is connected to both servers.
        self.active = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. A server that is away is waited for."""
        while not stop.is_set():
            try:
                with PendingEvents(self._database_url) as pending:
                    self._stand_by_then_work(pending, stop)
            except StorageUnavailable as error:
                self.condition.turn("waiting for the database", ready=False)
                _log.warning("the outbox cannot be reached, trying again: %s", error)
                stop.wait(_STANDBY)

    def _stand_by_then_work(self, pending: PendingEvents, stop: threading.Event) -> None:
        while not pending.lock():
            self.condition.turn("standing by", ready=True)
            if stop.wait(_STANDBY):
                return
        _log.info("this relay is the active one")
        publisher = self._broker.publisher(on_news=pending.interrupt)
        try:
            self._work(pending, publisher, stop)
        finally:
            self.active.clear()
            publisher.close()

    def _work(self, pending: PendingEvents, publisher: Publisher, stop: threading.Event) -> None:
        lines = _Lines()
        look = True
        while not stop.is_set():
            self._report(publisher)
            crowded = len(lines.crowded)
            settled = self._settle(pending, publisher, lines, stop)
            look = look or len(lines.crowded) < crowded
            if look and self._may_fetch(lines):
                look = self._fetch(pending, publisher, lines)
            elif not settled:
                look = pending.wait(_POLL) or look
        self._finish(pending, publisher, lines)

    def _may_fetch(self, lines: _Lines) -> bool:
        # Each fetch passes over what is in hand, so few large ones are best.
        has_room = len(lines.by_id) <= self._window // 2 and lines.size <= _WINDOW_BYTES // 2
        return has_room and (not lines.crowded or time.monotonic() >= lines.next_passing)

    def _fetch(self, pending: PendingEvents, publisher: Publisher, lines: _Lines) -> bool:
        """Fetch what the window has room for; tell whether there may be more."""
        in_hand = len(lines.by_id)
        limit = self._window - in_hand
        if not lines.crowded:
            limit = min(limit, max(_FIRST_FETCH, 2 * in_hand))
        max_bytes = _WINDOW_BYTES - lines.size
        began = time.monotonic()
        found = pending.fetch(limit, max_bytes=max_bytes, besides=list(lines.by_id), not_of=list(lines.crowded))
        if lines.crowded:  # it passed over the rest of them in the outbox, which may take half of the time
            ended = time.monotonic()
            lines.next_passing = ended + (ended - began)
        self._send(publisher, lines.add(found))
        return len(found) == limit or sum(len(event.body) for event in found) >= max_bytes

    def _report(self, publisher: Publisher) -> None:
        if not publisher.wait_until_connected(0):
            self.active.clear()
            self.condition.turn("waiting for the broker", ready=False)
        else:
            self.active.set()
            blocked = publisher.blocked()
            self.condition.turn("blocked by the broker's alarm" if blocked else "publishing", ready=not blocked)

    def _settle(self, pending: PendingEvents, publisher: Publisher, lines: _Lines, stop: threading.Event) -> bool:
        """Take in what the broker said: mark and go on with the next of the aggregate, or offer the event again.

        Tell whether it had said anything.
        """
        outcomes = publisher.outcomes(0)
        confirmed = [lines.by_id[outcome.tag] for outcome in outcomes if outcome.confirmed]
        refused = [outcome for outcome in outcomes if not outcome.confirmed]
        if confirmed:
            self._send(publisher, [e for e in map(lines.confirmed, confirmed) if e is not None])
            self._mark(pending, confirmed)
        if refused:
            _log.warning("%d events were not taken, trying again: %s", len(refused), refused[0].reason)
            stop.wait(_REFUSED_PAUSE)
            self._send(publisher, [lines.by_id[outcome.tag] for outcome in refused])
        return bool(outcomes)

    def _finish(self, pending: PendingEvents, publisher: Publisher, lines: _Lines) -> None:
        """Mark what is confirmed shortly after the stop, so that it need not be sent again."""
        deadline = time.monotonic() + _LAST_CONFIRMS
        left = lines.on_their_way()
        while left > 0 and (patience := deadline - time.monotonic()) > 0:
            outcomes = publisher.outcomes(patience)
            left -= len(outcomes)
            self._mark(pending, [lines.by_id[outcome.tag] for outcome in outcomes if outcome.confirmed])

    def _mark(self, pending: PendingEvents, events: list[PendingEvent]) -> None:
        if events:
            pending.mark_published([event.id for event in events])
            tell(self._observer.published, events)

    def _send(self, publisher: Publisher, events: list[PendingEvent]) -> None:
        if events:
            publisher.send([outgoing(event, exchange=self._exchange, routing_key=event.type) for event in events])
