"""The page of one task with its history, and the form that changes its words."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from chassis.errors import ServiceError
from chassis.identity import current_principal, require_roles
from chassis.input.sent import load_query
from chassis.live import live_page
from chassis.paging import PageRequest
from chassis.runtime import runtime
from tracker_service import commands, queries
from tracker_service.domain.rights import may_edit, may_reassign
from tracker_service.errors import InvalidTask, TaskChanged
from tracker_service.schemas.history import HistoryArgs
from tracker_service.ui.frame import above_the_form, form_field, pages, translated_errors


@pages.get("/tasks/<uuid:task_id>")
@require_roles()
def show_task(task_id: UUID) -> Response:
    """One task with everything about it; the page stays up to date."""
    with runtime().database.reading() as session:
        viewer = current_principal()
        version = f"{queries.task_version(session, task_id)}-{viewer.user_id}-{viewer.role}"
        return live_page(version, lambda: _render(session, task_id, version))


@pages.post("/tasks/<uuid:task_id>")
@require_roles()
def update_task(task_id: UUID) -> tuple[str, int] | Response:
    """Change a task's words, unless somebody else has changed them since the form was shown."""
    principal = current_principal()
    try:
        with runtime().database.transaction() as session:
            commands.update_task(
                session,
                task_id,
                editor_id=principal.user_id,
                role=principal.role,
                title=form_field("title"),
                jira_id=form_field("jira_id"),
                description=form_field("description"),
                unless_edited=int(edits) if (edits := form_field("edits")).isdecimal() else None,
            )
    except (InvalidTask, TaskChanged) as error:
        with runtime().database.reading() as session:
            return _render(session, task_id, queries.task_version(session, task_id), refusal=error), error.status
    flash(_("Saved."))
    return redirect(url_for("tracker.show_task", task_id=task_id), 303)


def _render(session: Session, task_id: UUID, version: str, refusal: ServiceError | None = None) -> str:
    principal = current_principal()
    page: PageRequest = load_query(HistoryArgs)["page"]
    task = queries.task(session, task_id)
    history = queries.history(session, task_id, page=page)
    words = {"title": task.title, "jira_id": task.jira_id, "description": task.description}
    return render_template(
        "tracker/task.html",
        task=task,
        version=version,
        edits=queries.count_edits(session, task),
        history=history,
        overseer=may_reassign(principal.role),
        mine=task.assignee_id == principal.user_id,
        may_edit=may_edit(
            creator_id=task.created_by,
            assignee_id=task.assignee_id,
            editor_id=principal.user_id,
            role=principal.role,
        ),
        form=request.form if refusal else words,
        refusal=above_the_form(refusal),
        errors=translated_errors(refusal),
    )
