"""The pages of runs, for managers and administrators."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from flask import redirect, render_template, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from chassis.business_clock import business_now
from chassis.identity import current_principal, require_roles
from chassis.input.sent import load_query
from chassis.live import live_page
from chassis.runtime import runtime
from tracker_service import commands, queries
from tracker_service.models import FINISHED, Reassignment
from tracker_service.schemas.reassignments import RunsArgs
from tracker_service.ui.frame import form_key, pages

#: What billing has not charged so long after the end of a run will not come in the next seconds.
_CHARGES_COME_WITHIN = timedelta(minutes=10)


@pages.get("/reassignments")
@require_roles()
def list_reassignments() -> str:
    """All runs, newest first."""
    with runtime().database.reading() as session:
        runs = queries.reassignments(session, role=current_principal().role, page=load_query(RunsArgs)["page"])
    return render_template("tracker/reassignments.html", runs=runs)


@pages.get("/reassignments/new")
@require_roles()
def preview_reassignment() -> str:
    """What the button would do, and the button."""
    with runtime().database.reading() as session:
        preview = queries.preview(session, role=current_principal().role)
    return render_template("tracker/new_reassignment.html", preview=preview, form_key=uuid4())


@pages.post("/reassignments")
@require_roles()
def request_reassignment() -> Response:
    """The one button of managers and administrators."""
    principal = current_principal()
    with runtime().database.transaction() as session:
        run = commands.request_reassignment(
            session, requested_by=principal.user_id, role=principal.role, key=form_key()
        )
    return redirect(url_for("tracker.show_reassignment", run_id=run.id), 303)


@pages.get("/reassignments/<uuid:run_id>")
@require_roles()
def show_reassignment(run_id: UUID) -> Response:
    """The progress of a run, then its report; the page stays up to date."""
    viewer = current_principal()
    with runtime().database.reading() as session:
        run = queries.reassignment(session, run_id, role=viewer.role)
        version = f"{run.version}-{run.done}-{run.charged}-{viewer.user_id}"
        return live_page(version, lambda: _render(session, run, version))


def _render(session: Session, run: Reassignment, version: str) -> str:
    role, page = current_principal().role, load_query(RunsArgs)["page"]
    report = queries.reassigned(session, run.id, role=role, page=page) if run.status == FINISHED else None
    charges_come = _charges_come(run, now=business_now(session))
    return render_template(
        "tracker/reassignment.html", run=run, version=version, report=report, charges_come=charges_come
    )


def _charges_come(run: Reassignment, *, now: datetime) -> bool:
    late = run.finished_at is not None and run.finished_at < now - _CHARGES_COME_WITHIN
    return run.charged < run.done and not late
