"""The numbers of the tracker that stand on everybody's first page."""

from typing import Any

from chassis.identity import current_principal, require_roles
from chassis.input.bodies import Blueprint
from chassis.runtime import runtime
from tracker_service import queries
from tracker_service.domain.rights import may_reassign
from tracker_service.schemas.summary import SummarySchema

summary = Blueprint("summary", __name__, url_prefix="/api/v1", description="Numbers for the first page")


@summary.get("/summary")
@require_roles()
@summary.response(200, SummarySchema)
def get_summary() -> dict[str, Any]:
    """One's own open tasks; for managers and administrators also everybody's, and the latest reassignment"""
    principal = current_principal()
    with runtime().database.reading() as session:
        found: dict[str, Any] = {"own_open_tasks": queries.count_open(session, principal.user_id)}
        if may_reassign(principal.role):
            whole = queries.overview(session)
            found |= {"open_tasks": whole.open_tasks, "latest_reassignment": whole.latest_run}
    return found
