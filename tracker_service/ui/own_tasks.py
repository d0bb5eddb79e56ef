"""The page of one's own tasks, and what is done there: create a task, mark one done, read the news."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from flask import Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from chassis.business_clock import business_now
from chassis.errors import ServiceError
from chassis.i18n import format_money
from chassis.identity import Principal, current_principal, require_roles
from chassis.input.sent import load_query, load_sent
from chassis.input.text import isolated
from chassis.live import live_page
from chassis.paging import PageRequest
from chassis.runtime import runtime
from tracker_service import commands, queries
from tracker_service.errors import InvalidTask, KeyUsedOtherwise, NobodyToAssign, TaskIsDone, TaskReassigned
from tracker_service.models import Task
from tracker_service.queries import OwnState
from tracker_service.schemas.tasks import CompletedSchema, NewsReadSchema, OwnTasksArgs
from tracker_service.ui.frame import above_the_form, form_field, form_key, pages, reason, translated_errors


@pages.get("/")
@require_roles()
def own_tasks() -> BaseResponse:
    """The person's own tasks, those to do and those done, the money of the day, and the form for a new task."""
    return _own_tasks()


@pages.post("/")
@require_roles()
def create_task() -> BaseResponse:
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
        page = _own_tasks(refusal=error)
        page.status_code = error.status
        return page
    flash(_("Created “%(title)s”. %(name)s will do it.", title=isolated(task.title), name=isolated(task.assignee.name)))
    return redirect(url_for("tracker.own_tasks"), 303)


@pages.post("/tasks/<uuid:task_id>/complete")
def complete_task(task_id: UUID) -> BaseResponse:
    """Mark one's own task done. What comes of it is told in the task's row, without htmx on the page that comes back.

    A click that comes too late does no harm: somebody else has the task, it is completed, the person is blocked.
    """
    in_place = "HX-Request" in request.headers
    try:
        with runtime().database.transaction() as session:
            task = commands.complete_task(session, task_id, by=current_principal().user_id)
    except ServiceError as error:
        if in_place:
            return Response(render_template("tracker/outcome.html", refusal=error, text=reason(error)), error.status)
        if not isinstance(error, TaskIsDone | TaskReassigned):
            raise
        flash(reason(error), "warn")
    else:
        if in_place:
            return Response(render_template("tracker/outcome.html", task=task))
        flash(_done(task))
    return redirect(_back_to_the_list(), 303)


@pages.post("/news/read")
@require_roles()
def read_news() -> BaseResponse:
    """Take the news that were shown for read, in every tab and on every device."""
    until = load_sent(NewsReadSchema, request.form)["until"]
    with runtime().database.transaction() as session:
        commands.read_news(session, current_principal().user_id, until=until, now=business_now(session))
    return redirect(url_for("tracker.own_tasks"), 303)


def _done(task: Task) -> str:
    title = isolated(task.title)
    if task.reward_cents is None:
        return str(_("Done: “%(title)s”.", title=title))
    return str(_("Done: “%(title)s”, +%(reward)s.", title=title, reward=format_money(task.reward_cents)))


def _back_to_the_list() -> str:
    """Return the address of the page where the button was, at the task that has come into its place."""
    came_from = load_sent(CompletedSchema, {name: value for name, value in request.form.items() if value})
    anchor = f"task-{came_from['next']}" if came_from["next"] else "open"
    return url_for("tracker.own_tasks", cursor=came_from["cursor"], _anchor=anchor)


def _own_tasks(refusal: ServiceError | None = None) -> BaseResponse:
    principal = current_principal()
    asked = load_query(OwnTasksArgs)
    with runtime().database.reading() as session:
        day = queries.current_day(session)
        state = queries.own_state(session, principal.user_id, role=principal.role, day=day)
        return live_page(state.version, lambda: _render(session, principal, day, state, asked, refusal))


def _render(
    session: Session,
    principal: Principal,
    day: date,
    state: OwnState,
    asked: dict[str, Any],
    refusal: ServiceError | None,
) -> str:
    user_id = principal.user_id
    page: PageRequest = asked["page"]
    done_tasks = queries.own_done_tasks(session, user_id, page=replace(page, cursor=asked["done"]))
    return render_template(
        "tracker/own_tasks.html",
        state=state,
        open_tasks=queries.own_open_tasks(session, user_id, page=page),
        done_tasks=done_tasks,
        done_days=queries.done_by_day(session, user_id, done_tasks.items),
        money_today=queries.day_money(session, user_id, day=day),
        news=queries.news(session, user_id, read_until=state.news_read_until, now=business_now(session)),
        form=request.form,
        form_key=uuid4(),
        refusal=above_the_form(refusal),
        errors=translated_errors(refusal),
    )
