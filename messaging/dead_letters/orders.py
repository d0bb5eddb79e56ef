"""The desk's side: what is decided and not done yet, and what the queue should hold."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Uuid, any_, bindparam, func, select, text
from sqlalchemy.orm import Session

from messaging.dead_letters.rules import OPEN, Standing, State
from messaging.tables import DeadLetter

_REQUESTED = (State.REPLAY_REQUESTED, State.DISCARD_REQUESTED)

# A letter that has died again since it was read has got another number of deaths: it stays dead.
_CARRIED_OUT = text("""
    WITH done AS (
        UPDATE dead_letter SET state = CASE state WHEN 'replay_requested' THEN 'replayed' ELSE 'discarded' END
          FROM unnest(CAST(:letter_ids AS uuid[]), CAST(:deaths AS integer[])) AS handled (letter_id, death)
         WHERE id = letter_id AND deaths = death AND state IN ('replay_requested', 'discard_requested')
        RETURNING id, state
    )
    INSERT INTO dead_letter_action (letter_id, action) SELECT id, state FROM done
""").bindparams(bindparam("letter_ids", type_=ARRAY(Uuid)), bindparam("deaths", type_=ARRAY(Integer)))

_IDS = bindparam("letter_ids", type_=ARRAY(Uuid))


def open_orders(session: Session, limit: int) -> Sequence[DeadLetter]:
    """Return letters about which somebody has decided, in the order in which they died."""
    wanted = select(DeadLetter).where(DeadLetter.state.in_(_REQUESTED)).order_by(DeadLetter.position).limit(limit)
    return session.scalars(wanted).all()


def mark_carried_out(session: Session, letters: Collection[DeadLetter]) -> None:
    """Record that these were replayed or discarded, as was decided."""
    ids, deaths = [letter.id for letter in letters], [letter.deaths for letter in letters]
    session.execute(_CARRIED_OUT, {"letter_ids": ids, "deaths": deaths})


def standings(session: Session, letter_ids: Collection[UUID]) -> dict[UUID, Standing]:
    """Return how these letters stand; those that do not exist are left out."""
    found = session.execute(
        select(DeadLetter.id, DeadLetter.state, DeadLetter.deaths).where(DeadLetter.id == any_(_IDS)),
        {"letter_ids": list(letter_ids)},
    )
    return {letter_id: Standing(State(state), deaths) for letter_id, state, deaths in found}


def open_letter_ids(session: Session, *, dead_for: timedelta) -> Sequence[UUID]:
    """Return the ids of the open letters that died longer ago than this, in the order in which they died."""
    wanted = select(DeadLetter.id).where(DeadLetter.state.in_(OPEN), DeadLetter.died_at < func.now() - dead_for)
    return session.scalars(wanted.order_by(DeadLetter.position)).all()


def open_letters(session: Session, letter_ids: Collection[UUID]) -> Sequence[DeadLetter]:
    """Return those of these letters that are open still, in the order in which they died."""
    wanted = select(DeadLetter).where(DeadLetter.id == any_(_IDS), DeadLetter.state.in_(OPEN))
    return session.scalars(wanted.order_by(DeadLetter.position), {"letter_ids": list(letter_ids)}).all()
