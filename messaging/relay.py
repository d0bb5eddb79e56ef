"""The relay: pending rows of the outbox, in order, to the broker; each marked once the broker has confirmed it.

At least once: a crash between confirm and mark sends an event again, with the same id, and consumers deduplicate.
Order: at most one event of an aggregate is on its way at any time, the next follows when that one is confirmed. So
neither a refused message nor a lost connection can let a later event overtake an earlier one. The publisher hears of a
confirm first: it is given the next events of an aggregate as a chain, and sends one after the other.
"""

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from messaging.errors import StorageUnavailable
from messaging.health import Health
from messaging.lines import Chain, Lines
from messaging.observer import Observer, tell
from messaging.outbox_reader import OutboxReader, PendingEvent
from messaging.outgoing import outgoing
from messaging.refusals import Refusals
from messaging.topology import DEFAULT_EXCHANGE
from messaging.transport import Broker, Publisher

_log = logging.getLogger(__name__)

#: Events fetched and not yet marked, at most. With confirms after a few milliseconds it keeps the broker busy.
WINDOW = 5_000
#: Bytes of their bodies, at most: an outbox of large events must not need more memory than there is.
_WINDOW_BYTES = 64 * 1024 * 1024
#: Events of the first fetch. Later ones bring up to twice what is in hand, so that the broker is busy meanwhile.
_FIRST_FETCH = 500
#: Seconds after which the relay looks into the outbox without being woken.
_POLL = 1.0
#: Seconds a standby waits before it asks for the lock again.
_STANDBY = 0.5
#: Seconds to wait for the last confirms when the relay stops.
_LAST_CONFIRMS = 2.0


@dataclass
class _Shift:
    """What the active relay works with, from when it got the lock until it loses it."""

    pending: OutboxReader
    publisher: Publisher
    lines: Lines = field(default_factory=Lines)
    refusals: Refusals = field(default_factory=Refusals)
    #: There may be something to fetch.
    look: bool = True
    #: By the monotonic clock: when it last fetched.
    fetched_at: float = 0.0
    #: Before then no fetch passes once more over what may not be sent yet.
    next_passing: float = 0.0


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
        self.health = Health()
        #: Set while this relay holds the lock and is connected to both servers.
        self.active = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. A server that is away is waited for."""
        while not stop.is_set():
            try:
                with OutboxReader(self._database_url) as pending:
                    self._stand_by_then_work(pending, stop)
            except StorageUnavailable as error:
                self.health.turn("waiting for the database", ready=False)
                _log.warning("the outbox cannot be reached, trying again: %s", error)
                stop.wait(_STANDBY)

    def _stand_by_then_work(self, pending: OutboxReader, stop: threading.Event) -> None:
        while not pending.lock():
            self.health.turn("standing by", ready=True)
            if stop.wait(_STANDBY):
                return
        _log.info("this relay is the active one")
        publisher = self._broker.publisher(on_news=pending.interrupt)
        try:
            self._work(pending, publisher, stop)
        finally:
            self.active.clear()
            publisher.close()

    def _work(self, pending: OutboxReader, publisher: Publisher, stop: threading.Event) -> None:
        shift = _Shift(pending, publisher)
        while not stop.is_set():
            self._report(shift)
            settled = self._settle(shift)
            self._send(publisher, shift.lines.add(shift.refusals.due()))
            if shift.look and self._may_fetch(shift):
                self._fetch(shift)
            elif not settled:
                shift.look |= pending.wait(min(_POLL, shift.refusals.seconds_until_due()))
            elif time.monotonic() - shift.fetched_at >= _POLL:
                shift.look = True  # outcomes may come so steadily that nobody waits for news of commits
        self._finish(shift)

    def _may_fetch(self, shift: _Shift) -> bool:
        # Each fetch passes over what is in hand, so few large ones are best.
        lines = shift.lines
        has_room = len(lines.by_id) <= self._window // 2 and lines.size <= _WINDOW_BYTES // 2
        return has_room and time.monotonic() >= shift.next_passing

    def _fetch(self, shift: _Shift) -> None:
        """Fetch what the window has room for, and note whether there may be more."""
        lines = shift.lines
        in_hand = len(lines.by_id)
        limit = self._window - in_hand
        passed_over = bool(lines.crowded or shift.refusals)
        if not passed_over:
            limit = min(limit, max(_FIRST_FETCH, 2 * in_hand))
        max_bytes = _WINDOW_BYTES - lines.size
        began = time.monotonic()
        found = shift.pending.fetch(
            limit,
            max_bytes=max_bytes,
            besides=list(lines.by_id),
            not_of=[*lines.crowded, *shift.refusals.subjects()],
            not_with=shift.refusals.overflowed(),
        )
        shift.fetched_at = time.monotonic()
        # Passing over the rest of them in the outbox may take half of the time.
        shift.next_passing = shift.fetched_at + (shift.fetched_at - began if passed_over else 0.0)
        self._send(shift.publisher, lines.add(found))
        shift.look = len(found) == limit or sum(len(event.body) for event in found) >= max_bytes

    def _report(self, shift: _Shift) -> None:
        if shift.publisher.wait_until_connected(0):
            self.active.set()
        else:
            self.active.clear()
        if obstacle := shift.publisher.obstacle():
            self.health.turn(obstacle, ready=False)
        elif shift.refusals:
            self.health.turn(f"publishing all but what is refused: {shift.refusals.describe()}", ready=False)
        else:
            self.health.turn("publishing", ready=True)

    def _settle(self, shift: _Shift) -> bool:
        """Take in what the broker said: mark and go on with the next of the aggregate, or let the aggregate wait.

        Tell whether it had said anything.
        """
        lines = shift.lines
        outcomes = shift.publisher.outcomes(0)
        confirmed = [lines.by_id[outcome.tag] for outcome in outcomes if outcome.confirmed]
        crowded = len(lines.crowded)
        over = [event.subject for event in confirmed if lines.confirmed(event)]
        self._send(shift.publisher, map(lines.next_chain, over))
        shift.look |= len(lines.crowded) < crowded
        lost = []
        for outcome in outcomes:
            if not outcome.confirmed:  # the end of its chain, whose earlier ones are taken out by now
                event = lines.by_id[outcome.tag]
                if outcome.lost:
                    lost.append(lines.next_chain(event.subject))
                else:
                    lines.drop(event.subject)
                    shift.refusals.refused(event, outcome.reason)
        self._mark(shift.pending, confirmed)
        if shift.refusals:
            self._release(shift, confirmed)
        self._send(shift.publisher, lost)
        return bool(outcomes)

    def _release(self, shift: _Shift, confirmed: list[PendingEvent]) -> None:
        """Let go what waited for one of these to be taken."""
        for event in confirmed:
            released = shift.refusals.taken(event)
            if released is not None:
                self._send(shift.publisher, shift.lines.add(released))
                shift.look = True  # for what was left in the outbox

    def _finish(self, shift: _Shift) -> None:
        """Mark what is confirmed shortly after the stop, so that it need not be sent again."""
        deadline = time.monotonic() + _LAST_CONFIRMS
        lines = shift.lines
        while lines.handed_over() and (patience := deadline - time.monotonic()) > 0:
            outcomes = shift.publisher.outcomes(patience)
            confirmed = []
            for outcome in outcomes:
                event = lines.by_id[outcome.tag]
                if outcome.confirmed:
                    lines.confirmed(event)
                    confirmed.append(event)
                else:
                    lines.drop(event.subject)
            self._mark(shift.pending, confirmed)

    def _mark(self, pending: OutboxReader, events: list[PendingEvent]) -> None:
        if events:
            pending.mark_published([event.id for event in events])
            tell(self._observer.published, events)

    def _send(self, publisher: Publisher, chains: Iterable[Chain]) -> None:
        sent = [
            [outgoing(event, exchange=self._exchange, routing_key=event.type) for event in chain]
            for chain in chains
            if chain
        ]
        if sent:
            publisher.send_chains(sent)
