"""From events to their effects, exactly once and in order: what a consumer does with what it has received and read.

The inbox is written in the transaction of the effect. A batch is one transaction, for speed; when it fails, each of
its events gets one of its own. What becomes of an event: done; to be tried again later (over a wait queue, and later
events of its aggregate wait behind it); or dead, with a reason.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from messaging import inbox, suspects
from messaging.burial import Burial, Buried, missing_twin
from messaging.dead_letters.record import holding_letters, letter_ids, same_message
from messaging.dispatch import HandlerTable, dispatch
from messaging.envelope import Event
from messaging.errors import AttemptsUsedUp, KillsTheProcess, PermanentError, ReplayLost
from messaging.health import Health
from messaging.interruptions import Patience, Paused, is_interruption
from messaging.observer import Observer, OutcomeName, tell
from messaging.received import Received, about, attempts_so_far
from messaging.redirect import Redirector, lost_before
from messaging.retry import RetryPolicy
from messaging.transport import Delivery, Message
from messaging.unbroken import guard_transactions

_log = logging.getLogger(__name__)


class _Waits(NamedTuple):
    """An event that waits behind an earlier one of its aggregate."""

    received: Received
    delay_ms: int
    back_at: datetime


@dataclass(frozen=True)
class Handling:
    """The handling of one service's events, with all that it needs."""

    service: str
    sessions: sessionmaker[Session]
    handlers: HandlerTable
    retry: RetryPolicy
    observer: Observer
    condition: Health
    patience: Patience
    redirect: Redirector
    #: The run of the replay that is carried out here; None for live events.
    replay: UUID | None
    #: Redelivered events that this process has begun to handle alone.
    begun: set[UUID] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Guard the transactions that handlers are given."""
        guard_transactions(self.sessions)

    def resume_waiting(self) -> None:
        """Count from now on how late those are that wait: no message could come back before."""
        with self.sessions.begin() as session:
            inbox.resume_waiting(session)

    def require_turn(self) -> None:
        """Raise Paused while a replay is under way, or, in a replay, ReplayLost if it is not that one."""
        with self._settling():
            pass

    def handle(self, batch: Sequence[Received]) -> Iterator[Sequence[Received]]:
        """Bring every event to an end, and yield those that are there. Redelivered ones are not among others."""
        if batch[0].delivery.redelivered:
            yield from self._handle_suspects(batch)
        else:
            self.patience.until_done(partial(self._handle_batch, batch))
            yield batch

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

    def _handle_suspects(self, batch: Sequence[Received]) -> Iterator[Sequence[Received]]:
        """Handle redelivered events, of which one may have ended the process that had them before."""
        trusted = self.patience.until_done(partial(self._begin_in_company, batch)) if len(batch) > 1 else set()
        for together, group in groupby(batch, key=lambda received: received.event.id in trusted):
            if together:
                company = list(group)
                self.patience.until_done(partial(self._handle_batch, company))
                yield company
            else:
                for received in group:
                    self.patience.until_done(partial(self._handle_suspect, received))
                    yield [received]  # at once: what was sent on in its place is not to be sent by the next life again

    def bury(
        self, delivery: Delivery, event: Event | None, error: PermanentError, *, attempts: int | None = None
    ) -> None:
        """Write down that the message is dead, then put it among the dead letters. `event`: what it was read as."""
        died_after = attempts_so_far(delivery) + 1 if attempts is None else attempts
        burial = Burial(self.service, delivery, event, error, attempts=died_after)
        buried = self.patience.until_done(partial(self._write_down, burial))
        if buried.outcome == "dead":
            extra = about(delivery, event)
            _log.error("dead letter %s (%s): %s", buried.letter_id, error.reason, error, extra=extra)
        if buried.twin is not None:
            self.redirect.send(buried.twin)
        tell(self.observer.outcome, buried.outcome, event)

    def _write_down(self, burial: Burial) -> Buried:
        with self._settling() as session:
            return burial.write_down(session)

    def _require_turn(self, under_way: UUID | None) -> None:
        if under_way == self.replay:
            return
        if self.replay is None:
            raise Paused
        raise ReplayLost(f"the replay to {self.service} was given up, or begun anew by somebody else")

    @contextmanager
    def _settling(self) -> Iterator[Session]:
        """Yield a session for what is done outside a handler's transaction. Raises as `require_turn` does."""
        with self.sessions.begin() as session:
            self._require_turn(inbox.replay_under_way(session))
            yield session

    def _handle_alone(self, received: Received) -> None:
        try:
            self._in_one_transaction([received])
        except PermanentError as error:
            self.bury(received.delivery, received.event, error)
        except Exception as error:  # an unexpected error may pass: it costs an attempt, and is kept with the event
            if is_interruption(error):
                raise
            self._failed(received, error)

    def _handle_suspect(self, received: Received) -> None:
        """Handle a redelivered event on its own, so that it is known whom to blame if the process dies."""
        starts = self._begin_alone(received.event.id)
        if starts > suspects.FATAL_STARTS:
            times = f"the process died {starts - 1} times while it handled this event alone"
            self.bury(received.delivery, received.event, KillsTheProcess(times))
        else:
            self._handle_alone(received)
        self.begun.discard(received.event.id)

    def _begin_in_company(self, batch: Sequence[Received]) -> set[UUID]:
        with self._settling() as session:
            return suspects.begin_in_company(session, [received.event.id for received in batch])

    def _begin_alone(self, event_id: UUID) -> int:
        """Count the start once for this process: to wait for the database and begin again is no death."""
        once_more = event_id in self.begun
        self.begun.add(event_id)  # before the commit, of whose success the database may not live to tell
        with self._settling() as session:
            return suspects.begin_alone(session, event_id, once_more=once_more)

    def _in_one_transaction(self, batch: Sequence[Received]) -> None:
        """Inbox, handlers and commit; then, outside, what has to wait in line is sent to a wait queue."""
        with self.sessions.begin() as session:
            known = inbox.look_up(
                session, {received.aggregate for received in batch}, [received.event.id for received in batch]
            )
            self._require_turn(known.replay)
            copies = self._copies_held_back(session, batch, known.dead)
            held_back = {copy.delivery.tag for copy, _ in copies}
            living = [received for received in batch if received.delivery.tag not in held_back]
            turn, waiting = self._line_up(session, living, known)
            new = inbox.remember(session, [received.event.id for received in turn])
            outcomes: list[OutcomeName] = []
            to_handle: list[Event] = []
            for received in turn:
                outcomes.append("done" if received.event.id in new else "duplicate")
                if received.event.id in new:
                    new.remove(received.event.id)
                    to_handle.append(received.event)
            dispatch(self.handlers, session, self._coming_round(to_handle), self.observer)
            if known.anybody_waits:
                inbox.stop_waiting(session, [received.event.id for received in turn])
                inbox.give_up(session, known.lost)
            if batch[0].delivery.redelivered:
                suspects.clear(session, [received.event.id for received in batch])
        for received, outcome in zip(turn, outcomes, strict=True):
            tell(self.observer.outcome, outcome, received.event)
        for received, delay, back_at in waiting:
            attempts = attempts_so_far(received.delivery)
            self.redirect.to_wait_queue(received.delivery, delay, back_at, attempts=attempts)
            tell(self.observer.outcome, "waiting", received.event)
        for copy, twin in copies:
            if twin is not None:
                self.redirect.send(twin)
            tell(self.observer.outcome, "duplicate", copy.event)

    def _copies_held_back(
        self, session: Session, batch: Sequence[Received], event_ids: Collection[UUID]
    ) -> list[tuple[Received, Message | None]]:
        """Return the copies of what is dead, each with what may be missing among the dead letters."""
        likely = [received for received in batch if received.event.id in event_ids]
        letters = holding_letters(session, {key for received in likely for key in letter_ids(received.delivery)})
        found = ((received, letters.get(same_message(received.delivery))) for received in likely)
        return [
            (copy, missing_twin(letter, self.service, perhaps=copy.delivery.redelivered))
            for copy, letter in found
            if letter is not None
        ]

    def _line_up(
        self, session: Session, batch: Sequence[Received], known: inbox.Known
    ) -> tuple[list[Received], list[_Waits]]:
        """Return whose turn it is, and who has to wait behind an earlier event of the aggregate."""
        turn: list[Received] = []
        waiting: list[_Waits] = []
        for received in batch:
            lost = lost_before(received.delivery, self.retry.patience)
            head_back_at = known.ask(received.aggregate, received.event.sequence, lost_before=lost)
            if head_back_at is None:
                turn.append(received)
                continue
            delay, itself_back_at = self.retry.behind(head_back_at)
            known.wait(received.aggregate, received.event.sequence, itself_back_at)
            inbox.wait(session, received.event, received.aggregate, itself_back_at)
            waiting.append(_Waits(received, delay, itself_back_at))
        return turn, waiting

    def _coming_round(self, events: Sequence[Event]) -> Iterator[Event]:
        """Yield the events, and say before each that the work goes on: one may take long."""
        for event in events:
            self.condition.come_round()
            yield event

    def _failed(self, received: Received, error: Exception) -> None:
        attempts = attempts_so_far(received.delivery) + 1
        extra = about(received.delivery, received.event)
        if attempts >= self.retry.attempts:
            reason = AttemptsUsedUp(f"failed {attempts} times, at last: {type(error).__name__}: {error}")
            _log.error("giving up on %s %s", received.event.type, received.event.id, exc_info=error, extra=extra)
            self.bury(received.delivery, received.event, reason, attempts=attempts)
            return
        failed = (received.event.type, received.event.id, attempts)
        _log.warning("%s %s failed (attempt %d)", *failed, exc_info=error, extra=extra)
        delay, retry_at = self.retry.next_try(attempts)
        with self._settling() as session:
            inbox.wait(session, received.event, received.aggregate, retry_at)
            suspects.clear(session, [received.event.id])
        self.redirect.to_wait_queue(received.delivery, delay, retry_at, attempts=attempts, error=error)
        tell(self.observer.outcome, "retry", received.event)
