"""The REST API of reassignments, under /api/v1/reassignments."""

from uuid import UUID

from flask import url_for
from sqlalchemy.orm import Session

from chassis.idempotency import creates
from chassis.identity import current_principal, require_roles
from chassis.input.bodies import Blueprint
from chassis.runtime import runtime
from tracker_service import commands, queries
from tracker_service.models import Reassignment, RequestKey
from tracker_service.schemas.reassignments import ReassignmentSchema

reassignments = Blueprint(
    "reassignments", __name__, url_prefix="/api/v1/reassignments", description="New assignees for all open tasks"
)


@reassignments.post("")
@require_roles()
@creates(reassignments, RequestKey, ReassignmentSchema, status=202)
def request_reassignment(session: Session) -> tuple[Reassignment, str]:
    """Give every open task a new assignee, in the background; for managers and administrators"""
    principal = current_principal()
    run = commands.request_reassignment(session, requested_by=principal.user_id, role=principal.role)
    session.flush()
    return run, url_for("reassignments.get_reassignment", run_id=run.id)


@reassignments.get("/<uuid:run_id>")
@require_roles()
@reassignments.response(200, ReassignmentSchema)
def get_reassignment(run_id: UUID) -> Reassignment:
    """How far a run has come; for managers and administrators"""
    with runtime().database.reading() as session:
        return queries.reassignment(session, run_id, role=current_principal().role)
