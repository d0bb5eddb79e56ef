"""The REST API of tasks, under /api/v1/tasks."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import request, url_for

from chassis.idempotency import KeySchema
from chassis.identity import current_principal, require_roles
from chassis.input.bodies import Blueprint
from chassis.paging import Page, PageArgs, PageRequest, page_schema
from chassis.problems import CONTENT_TYPE
from chassis.runtime import runtime
from tracker_service import commands, queries
from tracker_service.models import Task
from tracker_service.schemas.history import HistoryItemSchema
from tracker_service.schemas.tasks import (
    NewTaskSchema,
    NotCompletedSchema,
    TaskArgs,
    TaskChangesSchema,
    TaskSchema,
)

tasks = Blueprint("tasks", __name__, url_prefix="/api/v1/tasks", description="Tasks and who has them")

Headers = dict[str, str]


@tasks.post("")
@require_roles()
@tasks.arguments(NewTaskSchema)
@tasks.arguments(KeySchema, location="headers", unknown="exclude")
@tasks.response(201, TaskSchema)
@tasks.alt_response(409, description="Nobody can be assigned")
def create_task(words: dict[str, Any], header: dict[str, Any]) -> tuple[Task, int, Headers]:
    """Create a task; its assignee is drawn"""
    with runtime().database.transaction() as session:
        created = commands.create_task(session, creator_id=current_principal().user_id, **words, **header)
        task = queries.task(session, created.public_id)
    return task, 201, {"Location": url_for("tasks.get_task", task_id=task.public_id)}


@tasks.get("")
@require_roles()
@tasks.arguments(TaskArgs, location="query")
@tasks.response(200, page_schema(TaskSchema))
def list_tasks(args: dict[str, Any]) -> Page[Task]:
    """Somebody's tasks, or those of certain ids

    Newest first. Only managers and administrators list the tasks of somebody else;
    by id everybody sees every task.
    """
    principal = current_principal()
    page: PageRequest = args["page"]
    ids: list[UUID] | None = args["ids"]
    if ids is not None and "limit" not in request.args:
        page = replace(page, limit=len(ids))
    with runtime().database.reading() as session:
        if ids is not None and args["assignee"] is None:
            return queries.tasks_by_ids(session, ids, status=args["status"], page=page)
        assignee_id = principal.user_id if args["assignee"] in (None, "me") else args["assignee"]
        return queries.tasks_of(
            session,
            assignee_id,
            viewer_id=principal.user_id,
            role=principal.role,
            status=args["status"],
            among=ids,
            page=page,
        )


@tasks.get("/<uuid:task_id>")
@require_roles()
@tasks.response(200, TaskSchema)
def get_task(task_id: UUID) -> Task:
    """One task, for everyone who is signed in"""
    with runtime().database.reading() as session:
        return queries.task(session, task_id)


@tasks.get("/<uuid:task_id>/history")
@require_roles()
@tasks.arguments(PageArgs, location="query")
@tasks.response(200, page_schema(HistoryItemSchema))
def get_history(args: dict[str, Any], task_id: UUID) -> Page[queries.HistoryItem]:
    """What happened to a task, oldest first, with what it cost and brought"""
    with runtime().database.reading() as session:
        return queries.history(session, task_id, page=args["page"])


@tasks.patch("/<uuid:task_id>")
@require_roles()
@tasks.arguments(TaskChangesSchema)
@tasks.response(200, TaskSchema)
def update_task(changes: dict[str, Any], task_id: UUID) -> Task:
    """Change a task's words: its assignee, its author, managers and administrators do"""
    principal = current_principal()
    if changes.get("jira_id", "") is None:
        changes["jira_id"] = ""
    with runtime().database.transaction() as session:
        commands.update_task(session, task_id, editor_id=principal.user_id, role=principal.role, **changes)
        return queries.task(session, task_id)


@tasks.post("/<uuid:task_id>/complete")
@require_roles()
@tasks.response(200, TaskSchema)
@tasks.alt_response(403, description="Somebody else's task")
@tasks.alt_response(
    409, schema=NotCompletedSchema, content_type=CONTENT_TYPE, description="Done already, or reassigned meanwhile"
)
def complete_task(task_id: UUID) -> Task:
    """Mark one's own open task done"""
    with runtime().database.transaction() as session:
        commands.complete_task(session, task_id, by=current_principal().user_id)
        return queries.task(session, task_id)
