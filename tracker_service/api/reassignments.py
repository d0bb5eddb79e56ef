"""The REST API of reassignments, under /api/v1/reassignments."""

from typing import Any
from uuid import UUID

from flask import url_for
from sqlalchemy.orm import Session

from chassis.idempotency import creates
from chassis.identity import current_principal, require_roles
from chassis.input.bodies import Blueprint
from chassis.lists import lists
from chassis.paging import Page, PageArgs
from chassis.people import Role
from chassis.runtime import runtime
from tracker_service import commands, queries
from tracker_service.models import Reassignment, RequestKey
from tracker_service.schemas.reassignments import PreviewSchema, ReassignedSchema, ReassignmentSchema

reassignments = Blueprint(
    "reassignments", __name__, url_prefix="/api/v1/reassignments", description="New assignees for all open tasks"
)


@reassignments.post("")
@require_roles(Role.MANAGER, Role.ADMIN)
@creates(reassignments, RequestKey, ReassignmentSchema, status=202)
def request_reassignment(session: Session) -> tuple[Reassignment, str]:
    """Give every open task a new assignee, in the background; for managers and administrators

    Runs happen one after the other, each whole: one that is requested while another moves waits for it.
    """
    principal = current_principal()
    started = commands.request_reassignment(session, requested_by=principal.user_id, role=principal.role)
    run = queries.reassignment(session, started.id, role=principal.role)
    return run, url_for("reassignments.get_reassignment", run_id=run.id)


@reassignments.get("")
@require_roles()
@reassignments.arguments(PageArgs, location="query")
@lists(reassignments, ReassignmentSchema)
def list_reassignments(args: dict[str, Any]) -> Page[Reassignment]:
    """All runs, newest first; for managers and administrators"""
    with runtime().database.reading() as session:
        return queries.reassignments(session, role=current_principal().role, page=args["page"])


@reassignments.get("/preview")
@require_roles()
@reassignments.response(200, PreviewSchema)
def preview_reassignment() -> queries.Preview:
    """What a run would do that was requested now; for managers and administrators"""
    with runtime().database.reading() as session:
        return queries.preview(session, role=current_principal().role)


@reassignments.get("/<uuid:run_id>")
@require_roles()
@reassignments.response(200, ReassignmentSchema)
def get_reassignment(run_id: UUID) -> Reassignment:
    """How far a run has come; for managers and administrators"""
    with runtime().database.reading() as session:
        return queries.reassignment(session, run_id, role=current_principal().role)


@reassignments.get("/<uuid:run_id>/assignments")
@require_roles()
@reassignments.arguments(PageArgs, location="query")
@lists(reassignments, ReassignedSchema)
def list_assignments(args: dict[str, Any], run_id: UUID) -> Page[queries.Reassigned]:
    """From whom to whom each task of a run went, so far; for managers and administrators

    In the order in which the tasks were created.
    """
    with runtime().database.reading() as session:
        return queries.reassigned(session, run_id, role=current_principal().role, page=args["page"])
