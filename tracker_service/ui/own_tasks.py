"""The page of one's own tasks, and what is done there: create a task, mark one done."""

from dataclasses import replace
from uuid import UUID, uuid4

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from chassis.errors import ServiceError
from chassis.i18n import translate
from chassis.identity import current_principal, require_roles
from chassis.input.sent import load_query
from chassis.input.text import isolated
from chassis.paging import PageRequest
from chassis.runtime import runtime
from tracker_service import commands, queries
from tracker_service.domain.rights import may_reassign
from tracker_service.errors import InvalidTask, KeyUsedOtherwise, NobodyToAssign, TaskIsDone, TaskReassigned
from tracker_service.models import DONE, OPEN
from tracker_service.schemas.tasks import OwnTasksArgs
from tracker_service.ui.frame import form_field, form_key, pages, translated_errors


@pages.get("/")
@require_roles()
def own_tasks() -> str:
    """The person's own tasks, those to do and those done, and the form for a new one."""
    return _own_tasks()


@pages.post("/tasks")
@require_roles()
def create_task() -> tuple[str, int] | Response:
    """Create a task from the form; with its faults, the form comes back as it was filled in."""
    try:
        with runtime().database.transaction() as session:
            created = commands.create_task(
                session,
                creator_id=current_principal().user_id,
                title=form_field("title"),
                jira_id=form_field("jira_id"),
                description=form_field("description"),
                key=form_key(),
            )
            task = queries.task(session, created.public_id)
    except (InvalidTask, KeyUsedOtherwise, NobodyToAssign) as error:
        return _own_tasks(refusal=error), error.status
    flash(_("Created “%(title)s”. %(name)s will do it.", title=isolated(task.title), name=isolated(task.assignee.name)))
    return redirect(url_for("tracker.own_tasks"), 303)


@pages.post("/tasks/<uuid:task_id>/complete")
@require_roles()
def complete_task(task_id: UUID) -> Response:
    """Mark one's own task done; a click that comes too late does no harm and is explained on the list."""
    try:
        with runtime().database.transaction() as session:
            task = commands.complete_task(session, task_id, by=current_principal().user_id)
    except (TaskIsDone, TaskReassigned) as error:
        flash(translate(error.message, error.parts), "warn")
    else:
        flash(_("Done: “%(title)s”.", title=isolated(task.title)))
    return redirect(url_for("tracker.own_tasks"), 303)


def _own_tasks(refusal: ServiceError | None = None) -> str:
    principal = current_principal()
    overseer = may_reassign(principal.role)
    asked = load_query(OwnTasksArgs)
    page: PageRequest = asked["page"]
    with runtime().database.reading() as session:
        open_tasks = queries.own_tasks(session, principal.user_id, status=OPEN, page=page)
        done_page = replace(page, cursor=asked["done"])
        done_tasks = queries.own_tasks(session, principal.user_id, status=DONE, page=done_page)
        own_open = queries.count_open(session, principal.user_id)
        overview = queries.overview(session) if overseer else None
    return render_template(
        "tracker/own_tasks.html",
        open_tasks=open_tasks,
        done_tasks=done_tasks,
        own_open=own_open,
        overview=overview,
        form=request.form,
        form_key=uuid4(),
        refusal=_refusal(refusal),
        errors=translated_errors(refusal),
    )


def _refusal(error: ServiceError | None) -> str | None:
    """What stands above the form; faults of a field stand at the field."""
    return None if error is None or isinstance(error, InvalidTask) else translate(error.message)
