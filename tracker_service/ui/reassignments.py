"""The pages of runs, for managers and administrators."""

from uuid import UUID

from flask import redirect, render_template, url_for
from werkzeug.wrappers import Response

from chassis.identity import current_principal, require_roles
from chassis.runtime import runtime
from tracker_service import commands, queries
from tracker_service.ui.frame import form_key, pages


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
def show_reassignment(run_id: UUID) -> str:
    """The progress of a run; the page refreshes itself until it has ended."""
    with runtime().database.reading() as session:
        run = queries.reassignment(session, run_id, role=current_principal().role)
    return render_template("tracker/reassignment.html", run=run)
