"""What the consumer does with rows: hold a message, take what is due, settle it, or write down that it is dead."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, and_, bindparam, delete, func, not_, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from messaging.errors import PermanentError
from messaging.held.rows import (
    HOLDS_BACK,
    PLACEHOLDER,
    delivery_of,
    message_values,
    messages_held_back,
    row_ids,
    same_message,
)
from messaging.held.states import HELD, LIVING, Action, State
from messaging.received import HeldRow, Received
from messaging.tables import DeadLetterAction, HeldMessage
from messaging.text import storable
from messaging.transport import Delivery

_IDS = bindparam("ids", type_=ARRAY(Uuid))
_NOT_BEGUN: dict[str, Any] = {"starts": 0, "started_by": None}
_NEXT_POSITION = func.nextval(func.pg_get_serial_sequence("held_message", "position"))

# What has neither a body nor properties is the placeholder of an event that was on its way back: see PLACEHOLDER.
_SETTLE = text("""
    WITH handled AS (
        SELECT id, deaths, body = '' AND properties = '{}' AS is_placeholder FROM held_message
         WHERE id = ANY(CAST(:ids AS uuid[]))
           AND (state IN ('waiting', 'blocked', 'replay_requested') OR body = '' AND properties = '{}')
    ), gone AS (
        DELETE FROM held_message USING handled
         WHERE held_message.id = handled.id AND (handled.deaths = 0 OR is_placeholder)
    ), replayed AS (
        UPDATE held_message SET state = 'replayed', due_at = NULL, starts = 0, started_by = NULL
          FROM handled WHERE held_message.id = handled.id AND handled.deaths > 0 AND NOT is_placeholder
        RETURNING held_message.id
    )
    INSERT INTO dead_letter_action (letter_id, action) SELECT id, 'replayed' FROM replayed
""").bindparams(_IDS)

_BEGIN = text("""
    UPDATE held_message SET starts = starts + 1, started_by = :process
     WHERE id = ANY(CAST(:ids AS uuid[])) AND started_by IS DISTINCT FROM :process
""").bindparams(_IDS, bindparam("process", type_=Uuid))


class Line(NamedTuple):
    """Where a dead letter stands among the events of its aggregate."""

    aggregate: str
    sequence: int
    #: Later ones wait behind it.
    strict: bool


def block(session: Session, behind: Sequence[Received]) -> None:
    """Hold events that have to wait behind an earlier one."""
    _hold(session, behind, {"state": State.BLOCKED})


def hold_until_due(session: Session, received: Received, delay: timedelta, *, attempts: int, error: str) -> None:
    """Hold an event that failed until its next attempt, after the delay."""
    due = {"state": State.WAITING, "due_at": func.now() + delay, "attempts": attempts, "detail": storable(error)}
    _hold(session, [received], due)


def take_due(session: Session, service: str, process: UUID, *, limit: int) -> list[HeldRow]:
    """Return what is due, each with those that wait behind it, in the order of handling.

    Note that this process begins to handle them, but for those that another began: see `begin_alone`.
    """
    due = select(HeldMessage).where(HeldMessage.due_at <= func.now())
    heads = session.scalars(
        due.order_by(HeldMessage.due_at, HeldMessage.position).limit(limit).with_for_update(skip_locked=True)
    ).all()
    if not heads:
        return []
    turns = {row.aggregate: turn for turn, row in reversed(list(enumerate(heads))) if row.aggregate is not None}
    behind = select(HeldMessage).where(HeldMessage.state == State.BLOCKED, HeldMessage.aggregate.in_(turns))
    in_order = behind.order_by(HeldMessage.aggregate, HeldMessage.sequence, HeldMessage.position).limit(limit)
    rows = [(turns.get(row.aggregate or "", turn), row) for turn, row in enumerate(heads)]
    rows += [(turns[row.aggregate or ""], row) for row in session.scalars(in_order)]
    rows.sort(key=lambda placed: (placed[0], placed[1].sequence or 0))
    taken = [
        HeldRow(
            id=row.id,
            attempts=row.attempts,
            suspected=row.starts > 0 and row.started_by != process,
            aggregate=row.aggregate,
            delivery=delivery_of(row, service),
        )
        for _, row in rows
    ]
    _begin(session, [row.id for row in taken if not row.suspected], process)
    return taken


def begin_alone(session: Session, row_id: UUID, process: UUID) -> int:
    """Note that this process begins to handle the row alone; return how many processes have begun to handle it."""
    _begin(session, [row_id], process)
    return session.scalars(select(HeldMessage.starts).where(HeldMessage.id == row_id)).one_or_none() or 0


def settle(session: Session, ids: Collection[UUID]) -> None:
    """The events of these rows were handled: who never died is forgotten, a dead letter was replayed."""
    session.execute(_SETTLE, {"ids": list(ids)})


def forget_held(session: Session) -> None:
    """Forget what only waits: it is heard again. What is being replayed is replayed once more."""
    waits = HeldMessage.state.in_(HELD)
    session.execute(delete(HeldMessage).where(waits, HeldMessage.deaths == 0))
    again = update(HeldMessage).where(waits)
    session.execute(again.values(state=State.REPLAY_REQUESTED, due_at=func.now(), attempts=0, **_NOT_BEGUN))


def count_waiting(session: Session) -> int:
    """Return how many events wait for their next attempt, or behind another of their aggregate."""
    waits = HeldMessage.state.in_(HELD)
    return session.scalars(select(func.count()).select_from(HeldMessage).where(waits)).one()


def die(
    session: Session,
    delivery: Delivery,
    row: HeldRow | None,
    error: PermanentError,
    *,
    attempts: int,
    line: Line | None,
) -> UUID | None:
    """Write down that the message is dead, and why; return the id of its letter.

    None if that is written down already, or if it is a copy of what is held.
    """
    death = {
        "state": State.DEAD,
        "reason": error.reason,
        "detail": storable(str(error)),
        "attempts": attempts,
        "deaths": HeldMessage.deaths + 1,
        "due_at": None,
        "mirrored_at": None,
        "position": _NEXT_POSITION,
        "died_at": func.now(),
        **_NOT_BEGUN,
        **(line._asdict() if line else {}),
    }
    letter_id = _row_dies(session, row, death) if row else _message_dies(session, delivery, error, death)
    if letter_id is not None:
        session.add(DeadLetterAction(letter_id=letter_id, action=Action.DIED, detail=error.reason))
    return letter_id


def _row_dies(session: Session, row: HeldRow, death: dict[str, Any]) -> UUID | None:
    living = update(HeldMessage).where(HeldMessage.id == row.id, HeldMessage.state.in_(LIVING))
    return session.scalars(living.values(**death).returning(HeldMessage.id)).one_or_none()


def _message_dies(session: Session, delivery: Delivery, error: PermanentError, death: dict[str, Any]) -> UUID | None:
    ids = row_ids(delivery, error)
    values = message_values(delivery) | death | {"deaths": 1}
    for row_id in ids:
        found = _insert(session, [{"id": row_id, **values}], anew=death)
        if found:
            return row_id
        if same_message(delivery) in messages_held_back(session, ids):
            return None
    raise AssertionError(f"two messages have one digest: {ids}")


def _hold(session: Session, events: Sequence[Received], state: Mapping[str, Any]) -> None:
    anew = {"due_at": None, **_NOT_BEGUN, **state}
    for received in events:
        if received.row is not None:
            _hold_row(session, received, received.row, anew)
    arrived: dict[UUID, Received] = {}
    others = [
        received
        for received in events
        if received.row is None and arrived.setdefault(received.event.id, received) is not received
    ]
    held = _insert(session, [_row(received, key, anew) for key, received in arrived.items()], anew=anew)
    others += [received for key, received in arrived.items() if key not in held]
    for received in others:  # a copy is held already, or another message has taken the id
        ids = row_ids(received.delivery)
        if same_message(received.delivery) not in messages_held_back(session, ids):
            _insert(session, [_row(received, ids[-1], anew)], anew=anew)


def _hold_row(session: Session, received: Received, row: HeldRow, anew: Mapping[str, Any]) -> None:
    """Say where the event of the row stands, too: of one that died unread that was not known."""
    place = {"aggregate": received.aggregate, "sequence": received.event.sequence}
    stands_so = and_(HeldMessage.state == State.BLOCKED, HeldMessage.starts == 0, anew["state"] == State.BLOCKED)
    living = update(HeldMessage).where(HeldMessage.id == row.id, HeldMessage.state.in_(LIVING), not_(stands_so))
    session.execute(living.values(**place, **anew))


def _row(received: Received, row_id: UUID, state: Mapping[str, Any]) -> dict[str, Any]:
    line = {"aggregate": received.aggregate, "sequence": received.event.sequence}
    return {"id": row_id, **message_values(received.delivery), **line, **state}


def _insert(session: Session, rows: Sequence[Mapping[str, Any]], *, anew: Mapping[str, Any]) -> set[UUID]:
    """Insert rows; one of the same message that was replayed is used again. Return the ids of those that were.

    So is one without a message: the migration to this table made such a row for each event that was on its way back.
    """
    if not rows:
        return set()
    row = insert(HeldMessage).values(list(rows) if len(rows) > 1 else rows[0])  # one alone is compiled once
    same = and_(HeldMessage.body == row.excluded.body, HeldMessage.content_type == row.excluded.content_type)
    again = row.on_conflict_do_update(
        index_elements=["id"],
        set_={**{name: row.excluded[name] for name in rows[0] if name != "id"}, **anew, "replacement": None},
        where=or_(and_(same, not_(HOLDS_BACK)), PLACEHOLDER),
    )
    return set(session.scalars(again.returning(HeldMessage.id)))


def _begin(session: Session, ids: Collection[UUID], process: UUID) -> None:
    if ids:
        session.execute(_BEGIN, {"ids": list(ids), "process": process})
