"""What the table says about the dead-letter queue: which letters lack a message there, and whose message is to go."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Integer, LargeBinary, Select, Uuid, bindparam, func, select, text, update
from sqlalchemy.orm import Session, defer

from messaging.dead_letters.rules import Label
from messaging.envelope import MAX_BYTES
from messaging.held.states import State
from messaging.tables import HeldMessage

# As the index has it.
_AMISS = text("(state = 'dead') = (mirrored_at IS NULL)")

_LABELS = (bindparam("ids", type_=ARRAY(Uuid)), bindparam("deaths", type_=ARRAY(Integer)))

_SENT = text("""
    UPDATE held_message SET mirrored_at = clock_timestamp()
      FROM unnest(CAST(:ids AS uuid[]), CAST(:deaths AS integer[])) AS sent (letter_id, death)
     WHERE id = letter_id AND deaths = death
""").bindparams(*_LABELS)

_STAYS = text("""
    UPDATE held_message SET mirrored_at = clock_timestamp()
      FROM unnest(CAST(:ids AS uuid[]), CAST(:deaths AS integer[])) AS found (letter_id, death)
     WHERE id = letter_id AND deaths = death AND state = 'dead' AND (mirrored_at IS NULL OR mirrored_at < :since)
    RETURNING id
""").bindparams(*_LABELS)

_LEFT = text("""
    UPDATE held_message SET mirrored_at = NULL WHERE id = ANY(CAST(:ids AS uuid[])) AND state <> 'dead'
""").bindparams(bindparam("ids", type_=ARRAY(Uuid)))


def now(session: Session) -> datetime:
    """Return the time of the database."""
    return session.scalars(select(func.clock_timestamp(type_=DateTime(timezone=True)))).one()


class Shown(NamedTuple):
    """A letter with as much of its body as the queue shows: one that is too large for an event can be huge."""

    letter: HeldMessage
    head: bytes

    @property
    def label(self) -> Label:
        """Whose message it is."""
        return Label(self.letter.id, self.letter.deaths)


def letters_to_send(session: Session, limit: int) -> Sequence[Shown]:
    """Return dead letters without a message in the queue, in the order in which they died."""
    lacking = _shown().where(_AMISS, HeldMessage.state == State.DEAD)
    return [Shown(*row) for row in session.execute(lacking.order_by(HeldMessage.position).limit(limit))]


def letters(session: Session, ids: Collection[UUID]) -> Sequence[Shown]:
    """Return these letters in the order in which they died."""
    wanted = _shown().where(HeldMessage.id.in_(ids)).order_by(HeldMessage.position)
    return [Shown(*row) for row in session.execute(wanted)] if ids else []


def mark_sent(session: Session, labels: Collection[Label]) -> None:
    """Note that the messages of these are in the queue, though their letters may not be dead any more."""
    _lock(session, labels)
    session.execute(_SENT, _parameters(labels))


def some_have_to_go(session: Session) -> bool:
    """Tell whether a letter that is dead no more has a message in the queue."""
    amiss = select(HeldMessage.id).where(_AMISS, HeldMessage.state != State.DEAD)
    return session.scalar(select(amiss.exists())) or False


def count_mirrored(session: Session) -> int:
    """Return how many messages the queue should hold as things are: those of dead letters that were sent."""
    mirrored = select(func.count()).where(HeldMessage.state == State.DEAD, HeldMessage.mirrored_at.is_not(None))
    return session.scalars(mirrored).one()


def known_letters(session: Session, ids: Collection[UUID]) -> dict[UUID, int]:
    """Return those of these letters that exist, with the number of their deaths."""
    found = session.execute(select(HeldMessage.id, HeldMessage.deaths).where(HeldMessage.id.in_(ids)))
    return {row.id: row.deaths for row in found}


def keep(session: Session, labels: Collection[Label], *, since: datetime) -> set[UUID]:
    """Note that messages of these were seen; return the letters that are dead and were not seen since then before."""
    _lock(session, labels)
    return set(session.scalars(_STAYS, {**_parameters(labels), "since": since}))


def forget(session: Session, ids: Collection[UUID]) -> None:
    """Note that the messages of those of these letters that are dead no more are gone."""
    session.execute(_LEFT, {"ids": list(ids)})


def forget_unseen(session: Session, since: datetime) -> int:
    """Note that letters have no message that were not seen since then; return how many of them are dead."""
    unseen = update(HeldMessage).where(HeldMessage.mirrored_at < since).values(mirrored_at=None)
    states = session.scalars(unseen.returning(HeldMessage.state)).all()
    return sum(state == State.DEAD for state in states)


def _shown() -> Select[HeldMessage, bytes]:
    head = func.substring(HeldMessage.body, 1, MAX_BYTES, type_=LargeBinary)
    return select(HeldMessage, head).options(defer(HeldMessage.body))


def _lock(session: Session, labels: Collection[Label]) -> None:
    """Lock the letters in the order in which a decision about many does, so that neither waits for the other."""
    ids = [label.letter_id for label in labels]
    wanted = select(HeldMessage.id).where(HeldMessage.id.in_(ids)).order_by(HeldMessage.position)
    session.execute(wanted.with_for_update())


def _parameters(labels: Collection[Label]) -> dict[str, list[UUID] | list[int]]:
    return {"ids": [label.letter_id for label in labels], "deaths": [label.death for label in labels]}
