"""From events to their effects, exactly once and in order: what a consumer does with what it has received and read.

The inbox is written in the transaction of the effect. A batch is one transaction, for speed; when it fails, each of
its events gets one of its own. What becomes of an event: done; to be tried again later (over a wait queue, and later
events of its aggregate wait behind it); or dead, with a reason.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from messaging import inbox, suspects
from messaging.condition import Condition
from messaging.context import message_context
from messaging.dead_letters import letters_that_stand, record_dead_letter
from messaging.dead_letters.messages import dead_message
from messaging.dead_letters.rules import State
from messaging.envelope import Event
from messaging.errors import AttemptsUsedUp, KillsTheProcess, PermanentError, ReplayLost
from messaging.interruptions import Patience, Paused, is_interruption
from messaging.observer import Observer, OutcomeName
from messaging.received import Received, about, attempts_so_far
from messaging.redirect import Redirector, lost_before
from messaging.retry import RetryPolicy
from messaging.tables import DeadLetter
from messaging.transport import Delivery, Message

_log = logging.getLogger(__name__)

Handler = Callable[[Session, Event], None]
#: The subscription of a service: event name without version -> what to do.
HandlerTable = Mapping[str, Handler]


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
    condition: Condition
    patience: Patience
    redirect: Redirector
    #: The run of the replay that is carried out here; None for live events.
    replay: UUID | None
    #: Redelivered events that this process has begun to handle alone.
    begun: set[UUID] = field(default_factory=set)

    def resume_waiting(self) -> None:
        """Count from now on how late those are that wait: no message could come back before."""
        with self.sessions.begin() as session:
            inbox.resume_waiting(session)

    def require_turn(self) -> None:
        """Raise Paused while a replay is under way, or, in a replay, ReplayLost if it is not that one."""
        with self._settling():
            pass

    def handle_batch(self, batch: Sequence[Received]) -> None:
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

    def handle_suspects(self, batch: Sequence[Received]) -> None:
        """Handle redelivered events, of which one may have ended the process that had them before."""
        trusted: set[UUID] = set()
        if len(batch) > 1:
            with self._settling() as session:
                trusted = suspects.begin_in_company(session, [received.event.id for received in batch])
        for together, group in groupby(batch, key=lambda received: received.event.id in trusted):
            if together:
                self.patience.until_done(partial(self.handle_batch, list(group)))
            else:
                for received in group:
                    self.patience.until_done(partial(self._handle_suspect, received))

    def bury(
        self, delivery: Delivery, event: Event | None, error: PermanentError, *, attempts: int | None = None
    ) -> None:
        """Write down that the message is dead, then put it among the dead letters. `event`: what it was read as."""
        died_after = attempts_so_far(delivery) + 1 if attempts is None else attempts
        with self._settling() as session:
            label = record_dead_letter(session, delivery, error, attempts=died_after)
            event_id = event.id if event else label.letter_id  # also of what was an event when it began to wait
            inbox.stop_waiting(session, [event_id])
            suspects.clear(session, [event_id])
        extra = about(delivery, event)
        _log.error("dead letter %s (%s): %s", label.letter_id, error.reason, error, extra=extra)
        self.redirect.to_dead_letters(delivery, label, error, attempts=died_after)
        self._tell("dead", event)

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
            dead = letters_that_stand(session, known.dead)
            copies = [received for received in batch if received.delivery.body in dead]
            twins = self._missing_twins(copies, dead)
            living = [received for received in batch if received.delivery.body not in dead]
            turn, waiting = self._line_up(session, living, known)
            new = inbox.remember(session, [received.event.id for received in turn])
            outcomes: list[OutcomeName] = []
            for received in turn:
                outcomes.append("done" if received.event.id in new else "duplicate")
                if received.event.id in new:
                    new.remove(received.event.id)
                    self._handle(session, received.event)
            if known.anybody_waits:
                inbox.stop_waiting(session, [received.event.id for received in turn])
                inbox.give_up(session, known.lost)
            if batch[0].delivery.redelivered:
                suspects.clear(session, [received.event.id for received in batch])
        for received, outcome in zip(turn, outcomes, strict=True):
            self._tell(outcome, received.event)
        for received, delay, back_at in waiting:
            attempts = attempts_so_far(received.delivery)
            self.redirect.to_wait_queue(received.delivery, delay, back_at, attempts=attempts)
            self._tell("waiting", received.event)
        for twin in twins:
            self.redirect.send(twin)
        for received in copies:
            self._tell("duplicate", received.event)

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

    def _missing_twins(self, copies: Sequence[Received], dead: Mapping[bytes, DeadLetter]) -> list[Message]:
        """Return what may be missing among the dead letters: a redelivered copy can be the very message that died."""
        letters = [dead[copy.delivery.body] for copy in copies if copy.delivery.redelivered]
        return [dead_message(letter, self.service) for letter in letters if letter.state == State.DEAD]

    def _handle(self, session: Session, event: Event) -> None:
        self.condition.come_round()
        with (
            message_context(correlation_id=event.correlation_id, causation_id=event.id, traceparent=event.traceparent),
            self.observer.handling(event),
        ):
            self.handlers[event.name](session, event)

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
        self._tell("retry", received.event)

    def _tell(self, outcome: OutcomeName, event: Event | None) -> None:
        try:
            self.observer.outcome(outcome, event)
        except Exception:  # noqa: BLE001 (the effect is committed: a fault of the observer is none of the event)
            _log.exception("the observer failed at %s", outcome)
