"""Replaying many dead letters a few at a time: 1, 10, 100, ..., as long as none of them dies again.

Whoever wants it writes it down; the consumer takes the steps. Each begins when the one before is over: all its letters
were handled, or wait behind another event, which may be for ever. With the first that dies again it ends, and what is
left stays as it was.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from messaging.dead_letters.decisions import Actor, Decision, Selection, count_dead, decide_first
from messaging.dead_letters.outcomes import OutcomeCounts, count_outcomes
from messaging.dead_letters.search import FieldIs
from messaging.errors import ReplayUnderWay
from messaging.tables import GradualReplay

#: Letters of the first step, by how many times each is larger than the one before, and of the largest.
_FIRST, _FACTOR, _LARGEST = 1, 10, 1_000


class Progress(StrEnum):
    """Where a gradual replay stands."""

    RUNNING = "running"
    #: No letter of the selection is left.
    DONE = "done"
    #: Letters died again.
    FAILED = "failed"
    #: By a person.
    STOPPED = "stopped"


@dataclass(frozen=True)
class GradualReplayView:
    """A gradual replay as people see it."""

    state: Progress
    type: str | None
    reason: str | None
    #: As `FieldIs.parse` reads it.
    field: str | None
    #: Letters that there were, and those of them that were replayed so far.
    total: int
    taken: int
    #: What became of these; `behind` are those that had to wait behind another event when their step was over.
    outcome: OutcomeCounts
    actor_name: str
    started_at: datetime
    #: None as long as it goes on.
    ended_at: datetime | None


def replay_gradually(session: Session, selection: Selection, *, by: Actor) -> int:
    """Begin; return how many letters there are. Raises ReplayUnderWay as long as another one goes on."""
    newest, total = count_dead(session, selection)
    run = GradualReplay(
        state=Progress.RUNNING if total else Progress.DONE,
        type=selection.type,
        reason=selection.reason,
        field=None if selection.field is None else str(selection.field),
        up_to_position=newest,
        total=total,
        actor_id=by.user_id,
        actor_name=by.name,
        ended_at=None if total else func.now(),
    )
    try:
        with session.begin_nested():
            session.add(run)
    except IntegrityError as error:
        raise ReplayUnderWay("a gradual replay is under way: let it end, or stop it") from error
    return total


def stop_gradual_replay(session: Session) -> bool:
    """Take no further step; tell whether there was anything to stop. What is under way comes to its end."""
    running = update(GradualReplay).where(GradualReplay.state == Progress.RUNNING)
    stopped = running.values(state=Progress.STOPPED, ended_at=func.now()).returning(GradualReplay.id)
    return session.scalars(stopped).one_or_none() is not None


def latest_gradual_replay(session: Session) -> GradualReplayView | None:
    """Return the one that was begun last; None if there never was any."""
    run = session.scalars(select(GradualReplay).order_by(GradualReplay.id.desc()).limit(1)).one_or_none()
    if run is None:
        return None
    step = _outcome_of_step(session, run)
    handled, dead_again = run.handled + step.handled, run.dead_again + step.dead_again
    behind = run.taken - handled - dead_again - step.under_way
    return GradualReplayView(
        state=Progress(run.state),
        type=run.type,
        reason=run.reason,
        field=run.field,
        total=run.total,
        taken=run.taken,
        outcome=OutcomeCounts(step.under_way, handled, dead_again, behind),
        actor_name=run.actor_name,
        started_at=run.started_at,
        ended_at=run.ended_at,
    )


def advance_gradual_replay(session: Session) -> None:
    """Take the next step if there is one to take. The consumer calls this again and again."""
    running = select(GradualReplay).where(GradualReplay.state == Progress.RUNNING)
    run = session.scalars(running.with_for_update(skip_locked=True)).one_or_none()
    if run is None:
        return
    step = _outcome_of_step(session, run)
    if step.under_way:
        return
    run.handled += step.handled
    run.dead_again += step.dead_again
    run.step_at = None
    taken = 0 if step.dead_again else _take_step(session, run)
    if not taken:
        run.state = Progress.FAILED if step.dead_again else Progress.DONE
        run.ended_at = func.now()


def _take_step(session: Session, run: GradualReplay) -> int:
    run.size = min(run.size * _FACTOR, _LARGEST) or _FIRST
    field = None if run.field is None else FieldIs.parse(run.field)
    selection = Selection(run.type, run.reason, run.up_to_position, field)
    by = Actor(run.actor_name, run.actor_id)
    taken = decide_first(session, selection, Decision.REPLAY, limit=run.size, by=by)
    run.taken += taken
    run.step_at = session.scalars(select(func.now())).one()
    return taken


def _outcome_of_step(session: Session, run: GradualReplay) -> OutcomeCounts:
    nothing = OutcomeCounts(0, 0, 0, 0)
    if run.step_at is None:
        return nothing
    return count_outcomes(session, [run.step_at]).get((run.step_at, run.actor_name), nothing)
