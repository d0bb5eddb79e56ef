"""The pages "All tasks" and "Created by me": filters in the address, sorting, counts, and the same list as CSV."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import render_template, request
from flask_babel import format_decimal, pgettext
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from chassis.errors import Invalid
from chassis.i18n import with_query
from chassis.identity import current_principal, require_roles
from chassis.input.sent import load_query
from chassis.lists import whole_list
from chassis.live import live_page
from chassis.paging import Page, PageRequest
from chassis.runtime import runtime
from chassis.spreadsheets import csv_response
from chassis.tables import Sorting
from chassis.versions import version_of
from tracker_service import queries
from tracker_service.domain.wanted import ALL, CREATED, Wanted, within_scope
from tracker_service.models import DONE, OPEN, Task
from tracker_service.schemas.lists import PageOfTasksArgs
from tracker_service.schemas.tasks import TaskSchema
from tracker_service.ui.frame import OVERSEERS, pages, status_name, translated_errors

#: What is a filter, and not a place in the list or its order.
_MORE_FILTERS = ("assignee", "author", "jira_id", "from", "to")
_FILTERS = ("status", "q", *_MORE_FILTERS)


@dataclass(frozen=True)
class StatusLink:
    """A status with the number of its tasks, which leads to them."""

    text: str
    number: str
    url: str
    chosen: bool


@pages.get("/tasks")
@require_roles(*OVERSEERS)
def all_tasks() -> Response:
    """Everybody's tasks, for managers and administrators."""
    return _list(ALL)


@pages.get("/created")
@require_roles()
def created_tasks() -> Response:
    """The tasks that the person has created."""
    return _list(CREATED)


@pages.get("/tasks.csv")
@require_roles(*OVERSEERS)
def all_tasks_csv() -> Response:
    """The same as a file for a spreadsheet."""
    return _csv(ALL, "tasks")


@pages.get("/created.csv")
@require_roles()
def created_tasks_csv() -> Response:
    """The same as a file for a spreadsheet."""
    return _csv(CREATED, "created-tasks")


def _list(scope: str) -> Response:
    """Show a list; with a filter that makes no sense, the form with what is wrong, and nothing below it."""
    try:
        asked = load_query(PageOfTasksArgs)
        wanted = _wanted(scope, asked)
        with runtime().database.reading() as session:
            page = queries.list_tasks(session, wanted, page=asked["page"])
            counts = queries.count_tasks(session, wanted, shown=page)
    except Invalid as error:
        sort = request.args.get("sort", "")
        return Response(_render(scope, Page([]), sort, refusal=error), error.status, mimetype="text/html")
    version = version_of(queries.list_version(page, counts), current_principal())
    return live_page(version, lambda: _render(scope, page, wanted.sort, counts=counts, version=version))


def _render(
    scope: str,
    page: Page[Task],
    sort: str,
    *,
    counts: queries.Counts | None = None,
    version: str | None = None,
    refusal: Invalid | None = None,
) -> str:
    return render_template(
        "tracker/tasks.html",
        version=version,
        scope=scope,
        tasks=page,
        counts=counts,
        statuses=_status_links(counts) if counts else [],
        filtered=any(request.args.get(name) for name in _FILTERS),
        narrowed=any(request.args.get(name) for name in _MORE_FILTERS),
        sorting=_sortings(sort),
        sorts=_sort_names(),
        sort=sort,
        csv_url=f"{request.path}.csv?{urlencode(_kept())}",
        errors=translated_errors(refusal),
    )


def _csv(scope: str, name: str) -> Response:
    wanted = _wanted(scope, load_query(PageOfTasksArgs))

    def fetch(page: PageRequest) -> Page[Task]:
        with runtime().database.reading() as session:
            return queries.list_tasks(session, wanted, page=page)

    return csv_response(TaskSchema, whole_list(PageRequest(), fetch), name=name, for_spreadsheet=True)


def _wanted(scope: str, asked: dict[str, Any]) -> Wanted:
    principal = current_principal()
    wanted = Wanted(
        assignee_ids=_people(asked["assignee"], "assignee"),
        author_ids=_people(asked["author"], "author") if scope == ALL else None,
        status=asked["status"],
        text=asked["q"],
        jira_id=asked["jira_id"],
        first=asked["first"],
        last=asked["last"],
        sort=asked["sort"],
    )
    return within_scope(wanted, scope, viewer_id=principal.user_id, role=principal.role)


def _people(written: str | None, field: str) -> tuple[UUID, ...] | None:
    """Return those whom a filter means: by id, `me`, or everybody with that in their name."""
    if written is None:
        return None
    if written == "me":
        return (current_principal().user_id,)
    try:
        return (UUID(written),)
    except ValueError:
        with runtime().database.reading() as session:
            return queries.people_named(session, written, field=field)


def _kept() -> dict[str, str]:
    """The filters and the order, as they stand in the address."""
    return {name: value for name, value in request.args.items() if value and name in (*_FILTERS, "sort")}


def _status_links(counts: queries.Counts) -> list[StatusLink]:
    chosen = request.args.get("status") or None
    of_all: list[tuple[str | None, str, int]] = [
        (None, pgettext("tasks", "All"), counts.total),
        (OPEN, status_name(OPEN), counts.open),
        (DONE, status_name(DONE), counts.done),
    ]
    more = "+" if counts.at_least else ""
    return [
        StatusLink(text, format_decimal(number) + more, with_query(status=status, cursor=None), chosen == status)
        for status, text, number in of_all
    ]


def _sortings(sort: str) -> dict[str, Sorting]:
    """Where the head of each column leads: to its order, or to the other way round if the list is in it already."""
    ways = {"title": "title", "fee": "-fee", "reward": "-reward", "created": "-created", "completed": "-completed"}
    return {
        column: Sorting(
            url=with_query(sort=_turned(sort) if sort.lstrip("-") == column else first, cursor=None),
            direction=("descending" if sort.startswith("-") else "ascending") if sort.lstrip("-") == column else "",
        )
        for column, first in ways.items()
    }


def _turned(sort: str) -> str:
    return sort[1:] if sort.startswith("-") else f"-{sort}"


def _sort_names() -> dict[str, str]:
    return {
        "-created": _("newest first"),
        "created": _("oldest first"),
        "-completed": _("open ones first, then latest completed"),
        "completed": _("earliest completed first"),
        "-fee": _("highest fee first"),
        "fee": _("lowest fee first"),
        "-reward": _("highest reward first"),
        "reward": _("lowest reward first"),
        "title": _("title, A to Z"),
        "-title": _("title, Z to A"),
    }
