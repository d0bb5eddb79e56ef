"""The robot's diary: one row, so that a run can tell what became of the one before."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing_service.models import RobotRun
from chassis.business_clock import BUSINESS_NOW

_ID = 1


def start_run(session: Session) -> bool:
    """Note that a run begins; return whether the one before came to its end (or there was none)."""
    before = session.get(RobotRun, _ID, with_for_update=True)
    begin = insert(RobotRun).values(id=_ID, started_at=BUSINESS_NOW, problems="")
    session.execute(
        begin.on_conflict_do_update(index_elements=["id"], set_={"started_at": BUSINESS_NOW, "finished_at": None}),
    )
    return before is None or before.finished_at is not None


def finish_run(session: Session, *, checked_day: date | None, problems: Sequence[str]) -> None:
    """Note that the run is over, and what its check of the latest closed day found."""
    session.execute(
        update(RobotRun)
        .where(RobotRun.id == _ID)
        .values(finished_at=BUSINESS_NOW, checked_day=checked_day, problems="\n".join(problems)),
        execution_options={"synchronize_session": False},
    )
