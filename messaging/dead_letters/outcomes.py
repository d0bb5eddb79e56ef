"""What became of letters that somebody had replayed: handled, dead again, still under way, or behind another."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, DateTime, Uuid, any_, bindparam, case, cast, func, select
from sqlalchemy.orm import Session, aliased

from messaging.held.states import Action, State
from messaging.tables import DeadLetterAction, HeldMessage, InboxEvent

#: What people decide when they have a letter replayed, as it is or edited.
REPLAYS = (Action.REPLAY_REQUESTED, Action.EDITED)


class Outcome(StrEnum):
    """What became of a letter after it was decided to replay it."""

    UNDER_WAY = "under_way"
    HANDLED = "handled"
    DEAD_AGAIN = "dead_again"
    #: It waits behind an earlier event of its aggregate, perhaps until somebody decides about that.
    BEHIND = "behind"


@dataclass(frozen=True)
class OutcomeCounts:
    """What became of the letters of one decision."""

    under_way: int
    handled: int
    dead_again: int
    behind: int


def outcome_of(session: Session, letter_id: UUID) -> Outcome | None:
    """Return what became of the letter when it was last replayed; None if it never was."""
    latest = (
        select(_outcome())
        .where(DeadLetterAction.letter_id == letter_id, DeadLetterAction.action.in_(REPLAYS))
        .order_by(DeadLetterAction.id.desc())
        .limit(1)
    )
    found = session.scalar(latest)
    return None if found is None else Outcome(found)


def count_outcomes(session: Session, decided_at: Collection[datetime]) -> dict[tuple[datetime, str], OutcomeCounts]:
    """Return what became of the letters of decisions to replay made at these moments, by moment and actor's name."""
    outcome = _outcome().label("outcome")
    counted = (
        select(DeadLetterAction.at, DeadLetterAction.actor_name, outcome, func.count())
        .where(
            DeadLetterAction.actor_name.is_not(None),
            DeadLetterAction.action.in_(REPLAYS),
            DeadLetterAction.at == any_(bindparam("decided_at", type_=ARRAY(DateTime(timezone=True)))),
        )
        .group_by(DeadLetterAction.at, DeadLetterAction.actor_name, outcome)
    )
    found: dict[tuple[datetime, str], Counter[str]] = {}
    for at, name, what, count in session.execute(counted, {"decided_at": list(decided_at)}):
        found.setdefault((at, name), Counter())[what] = count
    return {key: OutcomeCounts(**{what: counts[what] for what in Outcome}) for key, counts in found.items()}


def _outcome() -> ColumnElement[Any]:
    """Tell the outcome of an action. What died after it was not handled: what is in the inbox does not die any more."""
    sent = case(
        (DeadLetterAction.action == Action.EDITED, cast(DeadLetterAction.detail, Uuid)),
        else_=DeadLetterAction.letter_id,
    )
    later = aliased(DeadLetterAction)
    died = (
        select(later.id)
        .where(later.letter_id == sent, later.action == Action.DIED, later.id > DeadLetterAction.id)
        .exists()
    )
    handled = select(InboxEvent.event_id).where(InboxEvent.event_id == sent).exists()
    behind = select(HeldMessage.id).where(HeldMessage.id == sent, HeldMessage.state == State.BLOCKED).exists()
    return case(
        (died, Outcome.DEAD_AGAIN.value),
        (handled, Outcome.HANDLED.value),
        (behind, Outcome.BEHIND.value),
        else_=Outcome.UNDER_WAY.value,
    )
