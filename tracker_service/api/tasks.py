"""The REST API of tasks, under /api/v1/tasks."""

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from flask import request, url_for
from sqlalchemy.orm import Session
from werkzeug.http import quote_etag

from chassis.idempotency import creates
from chassis.identity import current_principal, require_roles
from chassis.input.bodies import Blueprint
from chassis.lists import lists, wants_csv
from chassis.paging import Page, PageArgs, PageRequest
from chassis.problems import CONTENT_TYPE
from chassis.runtime import runtime
from tracker_service import commands, queries
from tracker_service.domain.wanted import Wanted, within_scope
from tracker_service.models import RequestKey, Task
from tracker_service.schemas.history import HistoryItemSchema
from tracker_service.schemas.lists import TaskArgs, TasksPageSchema
from tracker_service.schemas.tasks import (
    NewTaskSchema,
    NotCompletedSchema,
    TaskChangesSchema,
    TaskSchema,
)

tasks = Blueprint("tasks", __name__, url_prefix="/api/v1/tasks", description="Tasks and who has them")

Headers = dict[str, str]

ETAG = {"ETag": {"description": "The version of the task, for `If-Match`", "schema": {"type": "string"}}}
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "description": "An `ETag` of the task: nothing is changed if somebody has changed it since",
    "schema": {"type": "string"},
}


@dataclass(frozen=True)
class TasksPage(Page[Task]):
    """A page of tasks, and how many there are; not counted for CSV."""

    counts: queries.Counts | None = field(kw_only=True)


@tasks.post("")
@require_roles()
@tasks.arguments(NewTaskSchema)
@tasks.alt_response(409, description="Nobody can be assigned")
@creates(tasks, RequestKey, TaskSchema)
def create_task(session: Session, words: dict[str, Any]) -> tuple[Task, str]:
    """Create a task; its assignee is drawn"""
    created = commands.create_task(session, creator_id=current_principal().user_id, **words)
    task = queries.task(session, created.public_id)
    return task, url_for("tasks.get_task", task_id=task.public_id)


@tasks.get("")
@require_roles()
@tasks.arguments(TaskArgs, location="query")
@lists(tasks, TaskSchema, TasksPageSchema)
def list_tasks(args: dict[str, Any]) -> TasksPage:
    """Tasks, filtered and sorted, with how many there are of each status

    Newest first unless sorted otherwise. Everybody lists their own tasks, those that they have created, and tasks by
    their ids; managers and administrators all of them.
    """
    page: PageRequest = args["page"]
    wanted = _wanted(args)
    if wanted.ids is not None and "limit" not in request.args:
        page = replace(page, limit=len(wanted.ids))
    with runtime().database.reading() as session:
        found = queries.list_tasks(session, wanted, page=page)
        counts = None if wants_csv() else queries.count_tasks(session, wanted, shown=found)
    return TasksPage(**vars(found), counts=counts)


@tasks.get("/<uuid:task_id>")
@require_roles()
@tasks.response(200, TaskSchema, headers=ETAG)
def get_task(task_id: UUID) -> tuple[Task, int, Headers]:
    """One task, for everyone who is signed in"""
    with runtime().database.reading() as session:
        return _tagged(queries.task(session, task_id))


@tasks.get("/<uuid:task_id>/history")
@require_roles()
@tasks.arguments(PageArgs, location="query")
@lists(tasks, HistoryItemSchema)
def get_history(args: dict[str, Any], task_id: UUID) -> Page[queries.HistoryItem]:
    """What happened to a task, oldest first, with what it cost and brought"""
    with runtime().database.reading() as session:
        return queries.history(session, task_id, page=args["page"])


@tasks.patch("/<uuid:task_id>")
@require_roles()
@tasks.arguments(TaskChangesSchema)
@tasks.response(200, TaskSchema, headers=ETAG)
@tasks.doc(parameters=[IF_MATCH])
@tasks.alt_response(412, description="`If-Match` names another version of the task")
def update_task(changes: dict[str, Any], task_id: UUID) -> tuple[Task, int, Headers]:
    """Change a task's words: its assignee, its author, managers and administrators do"""
    principal = current_principal()
    if changes.get("jira_id", "") is None:
        changes["jira_id"] = ""
    with runtime().database.transaction() as session:
        commands.update_task(
            session,
            task_id,
            editor_id=principal.user_id,
            role=principal.role,
            unless_changed=request.if_match or None,
            **changes,
        )
        return _tagged(queries.task(session, task_id))


@tasks.post("/<uuid:task_id>/complete")
@require_roles()
@tasks.response(200, TaskSchema, headers=ETAG)
@tasks.doc(parameters=[IF_MATCH])
@tasks.alt_response(412, description="`If-Match` names another version of the task")
@tasks.alt_response(403, description="Somebody else's task")
@tasks.alt_response(
    409, schema=NotCompletedSchema, content_type=CONTENT_TYPE, description="Done already, or reassigned meanwhile"
)
def complete_task(task_id: UUID) -> tuple[Task, int, Headers]:
    """Mark one's own open task done"""
    with runtime().database.transaction() as session:
        by = current_principal().user_id
        commands.complete_task(session, task_id, by=by, unless_changed=request.if_match or None)
        return _tagged(queries.task(session, task_id))


def _tagged(task: Task) -> tuple[Task, int, Headers]:
    """Answer with a task and its version, which counts all that happens to it but its prices, which are set once."""
    return task, 200, {"ETag": quote_etag(str(task.version))}


def _wanted(args: dict[str, Any]) -> Wanted:
    principal = current_principal()

    def those(whose: UUID | str | None) -> tuple[UUID, ...] | None:
        return None if whose is None else (principal.user_id if isinstance(whose, str) else whose,)

    wanted = Wanted(
        assignee_ids=those(args["assignee"]),
        author_ids=those(args["author"]),
        ids=args["ids"] and tuple(args["ids"]),
        status=args["status"],
        text=args["q"],
        jira_id=args["jira_id"],
        first=args["first"],
        last=args["last"],
        sort=args["sort"],
    )
    return within_scope(wanted, args["scope"], viewer_id=principal.user_id, role=principal.role)
