"""A person's side: what is to become of dead letters. Written down with who wanted it, and carried out by the desk.

Only a letter in the state `dead` can be decided about, so the same decision twice is one decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, func, insert, literal, select, update
from sqlalchemy.orm import Session

from messaging.dead_letters.rules import Action, State, revise
from messaging.envelope import Event
from messaging.errors import LetterNotDead, LetterUnknown
from messaging.schemas import SchemaRegistry
from messaging.tables import DeadLetter, DeadLetterAction


class Decision(StrEnum):
    """What a person can decide. The values are those of the states that follow."""

    REPLAY = State.REPLAY_REQUESTED.value
    DISCARD = State.DISCARD_REQUESTED.value


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

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions for a query of DeadLetter."""
        wanted: list[ColumnElement[bool]] = []
        if self.type is not None:
            wanted.append(DeadLetter.type == self.type)
        if self.reason is not None:
            wanted.append(DeadLetter.reason == self.reason)
        if self.up_to_position is not None:
            wanted.append(DeadLetter.position <= self.up_to_position)
        return wanted


def decide(session: Session, letter_id: UUID, decision: Decision, *, by: Actor) -> None:
    """Decide about one letter. Raises LetterUnknown, or LetterNotDead if that was done before."""
    if not _write_down(session, [DeadLetter.id == letter_id], decision, by):
        _refuse(session, letter_id)


def decide_all(session: Session, selection: Selection, decision: Decision, *, by: Actor) -> int:
    """Decide about all dead letters of the selection; return how many there were."""
    return _write_down(session, selection.conditions(), decision, by)


def replay_edited(
    session: Session, letter_id: UUID, changes: Mapping[str, Any], *, by: Actor, registry: SchemaRegistry
) -> Event:
    """Have a new event sent in place of the letter: its own with these attributes. Return the new event.

    Raises LetterUnknown, LetterNotDead, or NotAnEvent, TooLarge, UnknownType, SchemaInvalid for what would die again.
    """
    letter = session.get(DeadLetter, letter_id, with_for_update=True)
    if letter is None or letter.state != State.DEAD:
        _refuse(session, letter_id)
    event = revise(letter.id, letter.body, changes, letter.properties.get("correlation_id") or "")
    registry.validate(event)
    letter.replacement = event.to_bytes()
    letter.state = State.REPLAY_REQUESTED
    session.add(
        DeadLetterAction(
            letter_id=letter_id,
            action=Action.EDITED,
            actor_id=by.user_id,
            actor_name=by.name,
            detail=str(event.id),
        )
    )
    return event


def _write_down(session: Session, conditions: list[ColumnElement[bool]], decision: Decision, by: Actor) -> int:
    # In the order of the list, so that two who decide about the same letters wait for, and never block, each other.
    chosen = select(DeadLetter.id).where(DeadLetter.state == State.DEAD, *conditions)
    ordered = chosen.order_by(DeadLetter.position).with_for_update().cte("chosen")
    decided = (
        update(DeadLetter)
        .where(DeadLetter.id.in_(select(ordered.c.id)))
        .values(state=decision.value)
        .returning(DeadLetter.id)
        .cte("decided")
    )
    noted = (
        insert(DeadLetterAction)
        .from_select(
            ["letter_id", "action", "actor_id", "actor_name"],
            select(decided.c.id, literal(decision.value), literal(by.user_id, Uuid), literal(by.name)),
        )
        .returning(DeadLetterAction.letter_id)
        .cte("noted")
    )
    return session.scalars(select(func.count()).select_from(noted)).one()


def _refuse(session: Session, letter_id: UUID) -> NoReturn:
    state = session.scalars(select(DeadLetter.state).where(DeadLetter.id == letter_id)).one_or_none()
    if state is None:
        raise LetterUnknown(f"there is no dead letter {letter_id}")
    raise LetterNotDead(state)
