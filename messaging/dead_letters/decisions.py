"""A person's side: what is to become of dead letters, written down with who wanted it.

The consumer handles what is to be replayed. Only a letter in the state `dead` can be decided about, so the same
decision twice is one decision; of what only waits, the next attempt can be had at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, and_, case, func, insert, literal, not_, or_, select, update
from sqlalchemy.orm import Session

from messaging.dead_letters.rules import revise
from messaging.dead_letters.search import FieldIs
from messaging.envelope import CONTENT_TYPE, Event
from messaging.errors import LetterNotDead, LetterUnknown, NotWaiting
from messaging.held import lock_lines, release
from messaging.held.rows import PLACEHOLDER
from messaging.held.states import Action, State
from messaging.schemas import SchemaRegistry
from messaging.sender import DESK
from messaging.tables import DeadLetterAction, HeldMessage


class Decision(StrEnum):
    """What a person can decide. The values are those of the states that follow."""

    REPLAY = State.REPLAY_REQUESTED.value
    DISCARD = State.DISCARDED.value


@dataclass(frozen=True)
class Actor:
    """Who decides."""

    name: str
    #: None for somebody at the command line, whom only the machine knows.
    user_id: UUID | None = None


@dataclass(frozen=True)
class Selection:
    """Some of the dead letters: those that fit everything that is not None."""

    type: str | None = None
    reason: str | None = None
    #: Nothing that died later: who decides about a list means what was on it.
    up_to_position: int | None = None
    field: FieldIs | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions for a query of HeldMessage."""
        wanted: list[ColumnElement[bool]] = []
        if self.type is not None:
            wanted.append(HeldMessage.type == self.type)
        if self.reason is not None:
            wanted.append(HeldMessage.reason == self.reason)
        if self.up_to_position is not None:
            wanted.append(HeldMessage.position <= self.up_to_position)
        if self.field is not None:
            wanted += self.field.conditions()
        return wanted


_DEAD = HeldMessage.state == State.DEAD
#: Replaying what waits for its next attempt has it tried at once.
_WAITS = and_(HeldMessage.state == State.WAITING, not_(PLACEHOLDER))
_REPLAYABLE = or_(_DEAD, _WAITS)


def decide(session: Session, letter_id: UUID, decision: Decision, *, by: Actor) -> None:
    """Decide about one letter, or have one tried at once that waits for its next attempt.

    Raises LetterUnknown, or LetterNotDead if that was done before, or if it waits behind another one.
    """
    one = HeldMessage.id == letter_id
    which = and_(one, _REPLAYABLE if decision is Decision.REPLAY else _DEAD)
    if not _write_down(session, which, decision, by):
        _refuse(session, letter_id)


def decide_all(session: Session, selection: Selection, decision: Decision, *, by: Actor) -> int:
    """Decide about all dead letters of the selection; return how many there were."""
    return _write_down(session, and_(_DEAD, *selection.conditions()), decision, by)


def decide_first(session: Session, selection: Selection, decision: Decision, *, limit: int, by: Actor) -> int:
    """Decide about the dead letters of the selection that died first, at most so many; return how many there were."""
    first = select(HeldMessage.id).where(_DEAD, *selection.conditions()).order_by(HeldMessage.position).limit(limit)
    return _write_down(session, and_(_DEAD, HeldMessage.id.in_(first)), decision, by)


def count_dead(session: Session, selection: Selection) -> tuple[int, int]:
    """Return where the newest dead letter of the selection stands, 0 if there is none, and how many there are."""
    wanted = select(func.coalesce(func.max(HeldMessage.position), 0), func.count())
    newest, count = session.execute(wanted.where(_DEAD, *selection.conditions())).one()
    return newest, count


def retry_waiting(session: Session, *, by: Actor) -> int:
    """Have everything tried at once that waits for its next attempt; return how much that is."""
    return _write_down(session, _WAITS, Decision.REPLAY, by)


def retry_one(session: Session, event_id: UUID, *, by: Actor) -> None:
    """Have one event tried at once that waits for its next attempt. Raises LetterUnknown or NotWaiting."""
    if not _write_down(session, and_(HeldMessage.id == event_id, _WAITS), Decision.REPLAY, by):
        raise NotWaiting(_state_of(session, event_id))


def replay_edited(
    session: Session, letter_id: UUID, changes: Mapping[str, Any], *, by: Actor, registry: SchemaRegistry
) -> Event:
    """Have a new event handled in place of the letter: its own with these attributes. Return the new event.

    Raises LetterUnknown, LetterNotDead, or NotAnEvent, TooLarge, UnknownType, SchemaInvalid for what would die again.
    """
    lock_lines(session)
    letter = session.get(HeldMessage, letter_id, with_for_update=True)
    if letter is None or letter.state != State.DEAD:
        _refuse(session, letter_id)
    event = revise(letter.id, letter.body, changes, letter.properties.get("correlation_id") or "")
    registry.validate(event)
    letter.replacement = event.to_bytes()
    letter.state = State.REPLAYED
    session.add(_edited(event, letter.replacement))
    noted = {"letter_id": letter_id, "actor_id": by.user_id, "actor_name": by.name}
    session.add(DeadLetterAction(action=Action.EDITED, detail=str(event.id), **noted))
    release(session, {aggregate for aggregate in (letter.aggregate, event.aggregate) if aggregate})
    return event


def _edited(event: Event, body: bytes) -> HeldMessage:
    """Return the event as one that waits in its line, and whose turn is now."""
    return HeldMessage(
        id=event.id,
        state=State.WAITING,
        due_at=func.now(),
        type=event.type,
        aggregate=event.aggregate,
        sequence=event.sequence,
        body=body,
        content_type=CONTENT_TYPE,
        headers={"subject": event.subject, "sequence": event.sequence},
        properties={
            "message_id": str(event.id),
            "app_id": event.producer,
            "correlation_id": str(event.correlation_id),
            "timestamp": int(event.time.timestamp()),
            "routing_key": event.type,
            "sent_by": DESK,
        },
    )


def _write_down(session: Session, which: ColumnElement[bool], decision: Decision, by: Actor) -> int:
    replays = decision is Decision.REPLAY
    if replays:
        state = case((_DEAD, State.REPLAY_REQUESTED), else_=HeldMessage.state)
        values = {"state": state, "due_at": func.now(), "attempts": case((_DEAD, 0), else_=HeldMessage.attempts)}
    else:
        lock_lines(session)
        values = {"state": literal(State.DISCARDED)}
    # In the order of the list, so that two who decide about the same letters wait for, and never block, each other.
    chosen = select(HeldMessage.id).where(which).order_by(HeldMessage.position).with_for_update().cte("chosen")
    decided = (
        update(HeldMessage)
        .where(HeldMessage.id.in_(select(chosen.c.id)))
        .values(values)
        .returning(HeldMessage.id, HeldMessage.aggregate, HeldMessage.strict)
        .cte("decided")
    )
    noted = (
        insert(DeadLetterAction)
        .from_select(
            ["letter_id", "action", "actor_id", "actor_name"],
            select(decided.c.id, literal(decision.value), literal(by.user_id, Uuid), literal(by.name)),
        )
        .cte("noted")
    )
    lines = func.array_agg(decided.c.aggregate.distinct()).filter(decided.c.strict)
    count, left = session.execute(select(func.count(), lines).select_from(decided).add_cte(noted)).one()
    if not replays:
        release(session, left or ())
    return int(count)


def _refuse(session: Session, letter_id: UUID) -> NoReturn:
    raise LetterNotDead(_state_of(session, letter_id))


def _state_of(session: Session, letter_id: UUID) -> str:
    state = session.scalars(select(HeldMessage.state).where(HeldMessage.id == letter_id)).one_or_none()
    if state is None:
        raise LetterUnknown(f"there is no dead letter {letter_id}")
    return state
