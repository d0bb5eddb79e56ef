"""Dead letters as people read them: lists, groups, single ones with their history."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, Row, Select, Text, cast, func, select, text
from sqlalchemy.orm import Session, defer

from messaging.dead_letters.decisions import Selection
from messaging.dead_letters.outcomes import Outcome, OutcomeCounts, count_outcomes, outcome_of
from messaging.dead_letters.search import FieldIs
from messaging.envelope import MAX_BYTES
from messaging.errors import LetterUnknown
from messaging.held.states import OPEN, State
from messaging.strict_json import read_json
from messaging.tables import IN_LINE, DeadLetterAction, HeldMessage

#: Letters whose outcomes are looked up for one page: 10 microseconds each.
_MAX_COUNTED = 10_000

#: Groups of dead letters that are told, the largest.
_MOST_GROUPS = 200


@dataclass(frozen=True)
class DeadLetterView:
    """A dead letter in a list."""

    id: UUID
    #: Where it stands in the list: pass it as `after` to go on behind it.
    position: int
    state: State
    type: str
    reason: str
    detail: str
    attempts: int
    #: How often it died; more than 1 if a replay failed.
    deaths: int
    died_at: datetime
    #: The envelope if the body is JSON, otherwise the body as text with what is no UTF-8 replaced.
    #: Cut off where no event ends.
    event: object

    @property
    def subject(self) -> str:
        """What the event is about, if the body says so."""
        found = self.event.get("subject") if isinstance(self.event, dict) else None
        return found if isinstance(found, str) else ""


@dataclass(frozen=True)
class HistoryEntry:
    """Something that happened to a letter; without an actor it happened by itself."""

    at: datetime
    action: str
    actor_id: UUID | None
    actor_name: str | None
    detail: str


@dataclass(frozen=True)
class DeadLetterStory:
    """A dead letter with all that is known of it."""

    letter: DeadLetterView
    content_type: str
    #: Of the message, as they arrived.
    headers: dict[str, Any]
    properties: dict[str, Any]
    #: In bytes.
    size: int
    #: The body as a person reads it: JSON indented.
    text: str
    #: The same of the event that is or was sent in its place.
    replacement: str | None
    #: Oldest first.
    history: list[HistoryEntry]
    #: Of the latest replay; None if there was none.
    outcome: Outcome | None
    #: How many later events of its aggregate wait behind it.
    waiting_behind: int
    #: For whom it waits: the first of its aggregate's line; None unless it is blocked.
    behind: UUID | None
    #: When it is tried next; None if it is not to be tried.
    due_at: datetime | None


@dataclass(frozen=True)
class DeadLetterGroup:
    """The open letters of one type that died for the same reason."""

    type: str
    reason: str
    count: int
    #: Those of them that nobody has decided about yet.
    undecided: int
    oldest_died_at: datetime
    newest_died_at: datetime
    #: Of its newest letter.
    last_position: int


@dataclass(frozen=True)
class RecentDecision:
    """What somebody decided, about one letter or about many at once."""

    at: datetime
    action: str
    actor_name: str
    letters: int
    #: One of the letters.
    letter_id: UUID
    #: What became of the letters; None unless they were to be replayed, and when there are too many to be counted.
    outcome: OutcomeCounts | None


def list_dead_letters(
    session: Session,
    *,
    limit: int,
    after: int = 0,
    before: int | None = None,
    type: str | None = None,
    reason: str | None = None,
    field: FieldIs | None = None,
    states: Collection[State] = OPEN,
) -> list[DeadLetterView]:
    """Return letters in the order they died, at most `limit`, behind position `after`.

    With `before` they are the last ones before that position, in the opposite order.
    """
    wanted = _letters().where(HeldMessage.position > after, HeldMessage.state.in_(states))
    order = HeldMessage.position.asc()
    if before is not None:
        wanted, order = wanted.where(HeldMessage.position < before), HeldMessage.position.desc()
    fitting = wanted.where(*Selection(type, reason, field=field).conditions()).order_by(order).limit(limit)
    return [_view(row) for row in session.execute(fitting)]


def read_dead_letter(session: Session, letter_id: UUID) -> DeadLetterStory:
    """Return a letter with its history. Raises LetterUnknown."""
    row = session.execute(_letters().where(HeldMessage.id == letter_id)).one_or_none()
    if row is None:
        raise LetterUnknown(f"there is no dead letter {letter_id}")
    letter = row.HeldMessage
    history = session.scalars(
        select(DeadLetterAction).where(DeadLetterAction.letter_id == letter_id).order_by(DeadLetterAction.id)
    )
    return DeadLetterStory(
        letter=_view(row),
        content_type=letter.content_type,
        headers=letter.headers,
        properties=letter.properties,
        size=row.size,
        text=_text(row.head),
        replacement=None if letter.replacement is None else _text(letter.replacement),
        history=[HistoryEntry(a.at, a.action, a.actor_id, a.actor_name, a.detail) for a in history],
        outcome=outcome_of(session, letter_id),
        waiting_behind=_count_behind(session, letter),
        behind=_head_of_line(session, letter) if letter.state == State.BLOCKED else None,
        due_at=letter.due_at,
    )


def _count_behind(session: Session, letter: HeldMessage) -> int:
    if letter.aggregate is None or not (letter.state == State.WAITING or (letter.strict and letter.state in OPEN)):
        return 0
    behind = _line_of(letter).where(HeldMessage.state == State.BLOCKED, HeldMessage.sequence > letter.sequence)
    return session.scalars(select(func.count()).select_from(behind.subquery())).one()


def _head_of_line(session: Session, letter: HeldMessage) -> UUID | None:
    return session.scalars(_line_of(letter).order_by(HeldMessage.sequence, HeldMessage.position).limit(1)).first()


def _line_of(letter: HeldMessage) -> Select[UUID]:
    return select(HeldMessage.id).where(HeldMessage.aggregate == letter.aggregate, text(f"({IN_LINE})"))


def dead_letter_groups(session: Session) -> list[DeadLetterGroup]:
    """Return the open letters by type and reason, the largest group first, and 200 groups at most.

    A type is whatever a sender has written, so there may be as many groups as letters.
    """
    undecided = func.count().filter(HeldMessage.state == State.DEAD)
    rows = session.execute(
        select(
            HeldMessage.type,
            HeldMessage.reason,
            func.count(),
            undecided,
            func.min(HeldMessage.died_at),
            func.max(HeldMessage.died_at),
            func.max(HeldMessage.position),
        )
        .where(HeldMessage.state.in_(OPEN))
        .group_by(HeldMessage.type, HeldMessage.reason)
        .order_by(func.count().desc(), HeldMessage.type, HeldMessage.reason)
        .limit(_MOST_GROUPS)
    )
    return [DeadLetterGroup(*row) for row in rows]


def count_dead_letters(session: Session) -> int:
    """Return how many letters are open: as many as the queue holds."""
    return session.scalars(select(func.count()).where(HeldMessage.state.in_(OPEN))).one()


def recent_decisions(session: Session, *, limit: int) -> list[RecentDecision]:
    """Return what people decided last, newest first."""
    rows = session.execute(
        select(
            DeadLetterAction.at,
            DeadLetterAction.action,
            DeadLetterAction.actor_name,
            func.count(),
            func.min(cast(DeadLetterAction.letter_id, Text)),
        )
        .where(DeadLetterAction.actor_name.is_not(None))
        .group_by(DeadLetterAction.at, DeadLetterAction.action, DeadLetterAction.actor_name)
        .order_by(DeadLetterAction.at.desc())
        .limit(limit)
    ).all()
    outcomes = count_outcomes(session, _that_can_be_counted((at, count) for at, _, _, count, _ in rows))
    return [
        RecentDecision(at, action, name or "", count, UUID(letter), outcomes.get((at, name or "")))
        for at, action, name, count, letter in rows
    ]


def _that_can_be_counted(decisions: Iterable[tuple[datetime, int]]) -> list[datetime]:
    """Return the latest decisions, with so many letters in all that they are counted at once."""
    left, chosen = _MAX_COUNTED, []
    for at, letters in decisions:
        left -= letters
        if left < 0:
            break
        chosen.append(at)
    return chosen


def _letters() -> Select[*tuple[Any, ...]]:
    """Select letters with the size and the head of their bodies: one that is too large for an event can be huge."""
    head = func.substring(HeldMessage.body, 1, MAX_BYTES, type_=LargeBinary).label("head")
    return select(HeldMessage, func.octet_length(HeldMessage.body).label("size"), head).options(defer(HeldMessage.body))


def _view(row: Row[*tuple[Any, ...]]) -> DeadLetterView:
    letter = row.HeldMessage
    return DeadLetterView(
        id=letter.id,
        position=letter.position,
        state=State(letter.state),
        type=letter.type,
        reason=letter.reason,
        detail=letter.detail,
        attempts=letter.attempts,
        deaths=letter.deaths,
        died_at=letter.died_at,
        event=_json_or_text(row.head),
    )


def _json_or_text(body: bytes) -> object:
    try:
        return read_json(body)
    except ValueError:
        return body.decode(errors="replace")


def _text(body: bytes) -> str:
    try:
        return json.dumps(read_json(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body.decode(errors="replace")
