"""From events to their effects, exactly once and in order: what a consumer does with what it has received and read.

The inbox is written in the transaction of the effect. A batch is one transaction, for speed; when it fails, each of
its events gets one of its own. What becomes of an event: done; held until its next attempt, with later ones of its
aggregate behind it; or dead, with a reason. Whatever is held is in the table of `messaging.held`.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import attrgetter
from uuid import UUID, uuid4

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session, sessionmaker

from messaging import held, inbox
from messaging.dead_letters.gradual import Progress, advance_gradual_replay
from messaging.dispatch import HandlerTable, dispatch, keeps_order
from messaging.envelope import Event
from messaging.errors import AttemptsUsedUp, KillsTheProcess, PermanentError, ReplayLost
from messaging.health import Health
from messaging.interruptions import Patience, Paused, contention, is_interruption
from messaging.observer import Observer, OutcomeName, tell
from messaging.received import HeldRow, Received, about
from messaging.retry import RetryPolicy
from messaging.tables import GradualReplay, HeldMessage, OngoingReplay
from messaging.transport import Delivery
from messaging.unbroken import guard_transactions

_log = logging.getLogger(__name__)

#: Seconds between two looks for what is due, at most: when that is this process knows of what it has held itself, and
#: not of what people decide.
_LOOK_EVERY = 1.0
#: An event is given up when so many processes have died that had taken it from the table: the first with others.
_FATAL_STARTS = 3
#: Asked once a second for ever: one cheap question for what takes three.
_ANYTHING_TO_DO = select(
    or_(
        exists(select(HeldMessage.id).where(HeldMessage.due_at <= func.now())),
        exists(select(OngoingReplay.run)),
        exists(select(GradualReplay.id).where(GradualReplay.state == Progress.RUNNING)),
    )
)


@dataclass
class Handling:
    """The handling of one service's events, with all that it needs."""

    service: str
    sessions: sessionmaker[Session]
    handlers: HandlerTable
    retry: RetryPolicy
    observer: Observer
    health: Health
    patience: Patience
    #: The run of the replay that is carried out here; None for live events.
    replay: UUID | None
    #: By this name it notes in rows that it begins to handle them.
    process: UUID = field(default_factory=uuid4)
    #: When to look for what is due, by the monotonic clock.
    _look_at: float = 0.0

    def __post_init__(self) -> None:
        """Guard the transactions that handlers are given."""
        guard_transactions(self.sessions)

    def require_turn(self) -> None:
        """Raise Paused while a replay is under way, or, in a replay, ReplayLost if it is not that one."""
        with self._settling():
            pass

    def seconds_until_due(self) -> float:
        """Return after how many seconds something held may be due."""
        return max(0.0, self._look_at - time.monotonic())

    def take_due(self, limit: int, *, subscribed: bool) -> list[HeldRow]:
        """Return what is held and due, with what follows it in the line.

        A replay that is under way is waited for, but not by a consumer that has yet to subscribe: it never would.
        """
        rows = self.patience.until_done(partial(self._take_due, limit, subscribed=subscribed))
        self._look_at = time.monotonic() + (0 if len(rows) >= limit else _LOOK_EVERY)
        return rows

    def handle_held(self, batch: Sequence[Received]) -> None:
        """Bring events to their end that were held. Those that perhaps ended a process are handled alone."""
        for alone, group in groupby(batch, key=attrgetter("suspected")):
            together = list(group)
            if not alone:
                self.patience.until_done(partial(self._handle_batch, together))
                continue
            for received in together:
                self.patience.until_done(partial(self._handle_suspect, received))

    def handle(self, batch: Sequence[Received]) -> None:
        """Bring events to their end. Redelivered ones, of which one may have ended a process, are held first."""
        work = self._hold_suspects if batch[0].delivery.redelivered else self._handle_batch
        self.patience.until_done(partial(work, batch))

    def bury(
        self,
        delivery: Delivery,
        error: PermanentError,
        *,
        event: Event | None = None,
        row: HeldRow | None = None,
    ) -> None:
        """Write down that the message is dead. `event`: what it was read as; `row`: where it was held."""
        attempts = (row.attempts if row else 0) + 1
        line = self._line_of(delivery, event, error)
        aggregates = {found for found in (line and line.aggregate, row and row.aggregate) if found}
        died: UUID | None = None

        def write_down() -> None:
            nonlocal died  # also when the commit succeeds without an answer, and this is done once more
            with self._settling() as session:
                handled = event is not None and inbox.is_or_will_be_handled(session, event.id)
                held.lock_lines(session)
                if handled:
                    held.settle(session, [row.id] if row else [])
                else:
                    died = held.die(session, delivery, row, error, attempts=attempts, line=line) or died
                held.release(session, aggregates)

        self.patience.until_done(write_down)
        if died is not None:
            _log.error("dead letter %s (%s): %s", died, error.reason, error, extra=about(delivery, event))
        tell(self.observer.outcome, "duplicate" if died is None else "dead", event)

    def _take_due(self, limit: int, *, subscribed: bool) -> list[HeldRow]:
        with self.sessions.begin() as session, contention():
            if not session.scalar(_ANYTHING_TO_DO):
                return []
            replay = inbox.replay_under_way(session)
            if replay is not None and not subscribed:
                return []
            self._require_turn(replay)
            advance_gradual_replay(session)
            return held.take_due(session, self.service, self.process, limit=limit)

    def _handle_batch(self, batch: Sequence[Received]) -> None:
        """Handle events in one transaction, or if that fails, each on its own."""
        if len(batch) == 1:
            return self._handle_alone(batch[0])
        try:
            self._in_one_transaction(batch)
        except Exception as error:  # whatever a handler raises is found again one by one
            if is_interruption(error):
                raise
            _log.info("a batch of %d failed (%r): handling its events one by one", len(batch), error)
            for received in batch:
                self.patience.until_done(partial(self._handle_alone, received))

    def _hold_suspects(self, batch: Sequence[Received]) -> None:
        """Hold what is not handled yet: the table tells whom to blame if the process dies again."""
        with self._settling() as session:
            standing = held.look_up(session, batch)
            done = inbox.handled(session, [received.event.id for received in batch])
            known = [received.event.id in done or received.delivery.tag in standing.copies for received in batch]
            new = [received for received, is_known in zip(batch, known, strict=True) if not is_known]
            held.lock_lines(session)
            held.block(session, new)
            held.release(session, {received.aggregate for received in new})
        self._look_at = 0.0
        for received, is_known in zip(batch, known, strict=True):
            tell(self.observer.outcome, "duplicate" if is_known else "waiting", received.event)

    def _handle_suspect(self, received: Received) -> None:
        """Handle an event on its own, so that it is known whom to blame if the process dies."""
        with self._settling() as session:
            starts = held.begin_alone(session, received.key, self.process)
        if starts > _FATAL_STARTS:
            why = KillsTheProcess(f"{starts - 1} processes died while they handled this event, all but one it alone")
            self.bury(received.delivery, why, event=received.event, row=received.row)
        else:
            self._handle_alone(received)

    def _handle_alone(self, received: Received) -> None:
        try:
            self._in_one_transaction([received])
        except PermanentError as error:
            self.bury(received.delivery, error, event=received.event, row=received.row)
        except Exception as error:  # an unexpected error may pass: it costs an attempt, and is kept with the event
            if is_interruption(error):
                raise
            self._failed(received, error)

    def _in_one_transaction(self, batch: Sequence[Received]) -> None:
        """Inbox, handlers, what has to wait in line, and commit."""
        with self.sessions.begin() as session:
            with contention():
                standing = held.look_up(session, batch)
                self._require_turn(standing.replay)
                living = [received for received in batch if _is_to_be_handled(received, standing)]
                places = held.take_places(living, standing.lines)
                new = inbox.remember(session, [received.event.id for received in places.turn])
            outcomes: list[OutcomeName] = []
            to_handle: list[Event] = []
            for received in places.turn:
                outcomes.append("done" if received.event.id in new else "duplicate")
                if received.event.id in new:
                    new.remove(received.event.id)
                    to_handle.append(received.event)
            dispatch(self.handlers, session, self._coming_round(to_handle), self.observer)
            if standing.touched:
                with contention():
                    held.lock_lines(session)
                    held.settle(session, [received.key for received in places.turn])
                    held.block(session, places.behind)
                    held.release(session, standing.lines)
        for received, outcome in zip(places.turn, outcomes, strict=True):
            tell(self.observer.outcome, outcome, received.event)
        for received in places.behind:
            tell(self.observer.outcome, "waiting", received.event)
        for received in batch:
            if received.delivery.tag in standing.copies:
                tell(self.observer.outcome, "duplicate", received.event)

    def _failed(self, received: Received, error: Exception) -> None:
        attempts = received.attempts + 1
        extra = about(received.delivery, received.event)
        if attempts >= self.retry.attempts:
            reason = AttemptsUsedUp(f"failed {attempts} times, at last: {type(error).__name__}: {error}")
            _log.error("giving up on %s %s", received.event.type, received.event.id, exc_info=error, extra=extra)
            self.bury(received.delivery, reason, event=received.event, row=received.row)
            return
        failed = (received.event.type, received.event.id, attempts)
        _log.warning("%s %s failed (attempt %d)", *failed, exc_info=error, extra=extra)
        delay = self.retry.delay_after(attempts)
        with self._settling() as session:
            why = f"{type(error).__name__}: {error}"
            held.hold_until_due(session, received, delay, attempts=attempts, error=why)
        self._look_at = min(self._look_at, time.monotonic() + delay.total_seconds())
        tell(self.observer.outcome, "retry", received.event)

    def _line_of(self, delivery: Delivery, event: Event | None, error: PermanentError) -> held.Line | None:
        """Return where a dead message stands among others. Nobody waits for what its producer has not sent."""
        event = event or held.event_of(delivery, error)
        if event is None:
            return None
        return held.Line(event.aggregate, event.sequence, strict=keeps_order(self.handlers, event.name))

    def _require_turn(self, under_way: UUID | None) -> None:
        if under_way == self.replay:
            return
        if self.replay is None:
            raise Paused
        raise ReplayLost(f"the replay to {self.service} was given up, or begun anew by somebody else")

    @contextmanager
    def _settling(self) -> Iterator[Session]:
        """Yield a session for what is done outside a handler's transaction. Raises as `require_turn` does."""
        with self.sessions.begin() as session, contention():
            self._require_turn(inbox.replay_under_way(session))
            yield session

    def _coming_round(self, events: Sequence[Event]) -> Iterator[Event]:
        """Yield the events, and say before each that the work goes on: one may take long."""
        for event in events:
            self.health.come_round()
            yield event


def _is_to_be_handled(received: Received, standing: held.Standing) -> bool:
    if received.row is not None:
        return received.row.id in standing.living
    return received.delivery.tag not in standing.copies
