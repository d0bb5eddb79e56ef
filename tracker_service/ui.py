"""The pages of the tracker. They call the same commands as the API."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from chassis.errors import ServiceError
from chassis.i18n import translate
from chassis.identity import Principal, current_principal, require_roles
from chassis.input.sent import load_query
from chassis.input.text import isolated
from chassis.paging import PageRequest
from chassis.runtime import runtime
from tracker_service import commands, queries
from tracker_service.domain.rights import may_edit, may_reassign
from tracker_service.errors import InvalidTask, KeyUsedOtherwise, NobodyToAssign, TaskIsDone, TaskReassigned
from tracker_service.models import DONE, OPEN
from tracker_service.schemas import OwnTasksArgs

pages = Blueprint("tracker", __name__, template_folder="templates")

Errors = Mapping[str, Sequence[str]]


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
                title=_field("title"),
                jira_id=_field("jira_id"),
                description=_field("description"),
                key=_form_key(),
            )
            task = queries.task(session, created.public_id)
    except (InvalidTask, KeyUsedOtherwise, NobodyToAssign) as error:
        return _own_tasks(refusal=error), error.status
    flash(_("Created “%(title)s”. %(name)s will do it.", title=isolated(task.title), name=isolated(task.assignee.name)))
    return redirect(url_for("tracker.own_tasks"), 303)


@pages.get("/tasks/<uuid:task_id>")
@require_roles()
def show_task(task_id: UUID) -> str:
    """One task with everything about it."""
    return _task(task_id)


@pages.post("/tasks/<uuid:task_id>")
@require_roles()
def update_task(task_id: UUID) -> tuple[str, int] | Response:
    """Change a task's words."""
    principal = current_principal()
    try:
        with runtime().database.transaction() as session:
            commands.update_task(
                session,
                task_id,
                editor_id=principal.user_id,
                role=principal.role,
                title=_field("title"),
                jira_id=_field("jira_id"),
                description=_field("description"),
            )
    except InvalidTask as error:
        return _task(task_id, refusal=error), error.status
    flash(_("Saved."))
    return redirect(url_for("tracker.show_task", task_id=task_id), 303)


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


@pages.post("/reassignments")
@require_roles()
def request_reassignment() -> Response:
    """The one button of managers and administrators."""
    principal = current_principal()
    with runtime().database.transaction() as session:
        run = commands.request_reassignment(
            session, requested_by=principal.user_id, role=principal.role, key=_form_key()
        )
    return redirect(url_for("tracker.show_reassignment", run_id=run.id), 303)


@pages.get("/reassignments/<uuid:run_id>")
@require_roles()
def show_reassignment(run_id: UUID) -> str:
    """The progress of a run; the page refreshes itself until it has ended."""
    with runtime().database.reading() as session:
        run = queries.reassignment(session, run_id, role=current_principal().role)
    return render_template("tracker/reassignment.html", run=run)


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
        errors=_errors(refusal),
    )


def _task(task_id: UUID, refusal: InvalidTask | None = None) -> str:
    principal = current_principal()
    with runtime().database.reading() as session:
        task = queries.task(session, task_id)
    words = {"title": task.title, "jira_id": task.jira_id, "description": task.description}
    return render_template(
        "tracker/task.html",
        task=task,
        mine=task.assignee_id == principal.user_id,
        may_edit=_may_edit(principal, task.created_by, task.assignee_id),
        form=request.form if refusal else words,
        errors=_errors(refusal),
    )


def _may_edit(principal: Principal, creator_id: UUID, assignee_id: UUID) -> bool:
    return may_edit(creator_id=creator_id, assignee_id=assignee_id, editor_id=principal.user_id, role=principal.role)


def _refusal(error: ServiceError | None) -> str | None:
    """What stands above the form; faults of a field stand at the field."""
    return None if error is None or isinstance(error, InvalidTask) else translate(error.message)


def _errors(error: ServiceError | None) -> Errors:
    found = (error.errors if error else None) or {}
    return {field: [translate(text) for text in texts] for field, texts in found.items()}


def _field(name: str) -> str:
    return request.form.get(name, "")


def _form_key() -> str | None:
    """The form's own Idempotency-Key: who clicks twice creates one thing."""
    return request.form.get("key", "")[:255] or None
