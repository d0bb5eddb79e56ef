"""What a list of tasks is asked for with, by REST and on pages, and how it goes out."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, pre_load, validate, validates_schema
from webargs.fields import DelimitedList

from chassis.input.fields import Day, Text
from chassis.paging import MAX_LIMIT, PageArgs, page_schema
from tracker_service.domain.wanted import NEWEST_FIRST, SCOPES, SORTS
from tracker_service.errors import N_
from tracker_service.models import DONE, OPEN
from tracker_service.schemas.tasks import TaskSchema


class Whose(fields.String):
    """A person's id, or the word `me`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        return text if text == "me" else fields.UUID().deserialize(text)


class FilterArgs(PageArgs):
    """Which tasks are wanted, and how they are sorted. What a cursor counts for, `queries.list_tasks` knows."""

    status = fields.String(load_default=None, validate=validate.OneOf([OPEN, DONE]))
    q = Text(
        load_default=None,
        metadata={"description": "What title, Jira key or description have somewhere, however it is capitalised"},
    )
    jira_id = Text(load_default=None, metadata={"description": "The whole key, however it is capitalised"})
    first = Day(data_key="from", load_default=None, metadata={"description": "Created on this business day or later"})
    last = Day(data_key="to", load_default=None, metadata={"description": "Created on this business day or before"})
    sort = fields.String(
        load_default=NEWEST_FIRST,
        validate=validate.OneOf(SORTS),
        metadata={"description": "With a minus in front in falling order"},
    )

    in_cursor: ClassVar[frozenset[str]] = frozenset(("status", "q", "jira_id", "first", "last", "sort"))

    @pre_load
    def _leave_blanks_out(self, data: Any, **_: object) -> Any:
        """A field that was left empty is no condition."""
        blank = {name for name in ("q", "jira_id") if isinstance(sent := data.get(name), str) and not sent.strip()}
        return {name: value for name, value in data.items() if name not in blank} if blank else data

    @validates_schema
    def _check_period(self, data: dict[str, Any], **_: object) -> None:
        if data["first"] is not None and data["last"] is not None and data["last"] < data["first"]:
            raise ValidationError(N_("The period ends before it begins."), "to")


class TaskArgs(FilterArgs):
    """Which tasks are wanted by REST."""

    scope = fields.String(
        load_default=None,
        validate=validate.OneOf(SCOPES),
        metadata={
            "description": "`mine`: assigned to me; `created`: by me; `all`: for managers and administrators. "
            "Without it: those of `assignee` or `ids`, else mine"
        },
    )
    assignee = Whose(load_default=None, metadata={"description": "`me` or a user's id"})
    author = Whose(load_default=None, metadata={"description": "`me` or a user's id"})
    ids = DelimitedList(fields.UUID(), load_default=lambda: None, validate=validate.Length(1, MAX_LIMIT))

    in_cursor = FilterArgs.in_cursor | {"scope", "assignee", "author", "ids"}


class PageOfTasksArgs(FilterArgs):
    """Which tasks are wanted on a page. People are named there."""

    assignee = Text(load_default=None)
    author = Text(load_default=None)

    in_cursor = FilterArgs.in_cursor | {"assignee", "author"}


class CountsSchema(Schema):
    """How many tasks fit, whatever `status` was asked for."""

    open = fields.Integer(required=True)
    done = fields.Integer(required=True)
    at_least = fields.Boolean(
        required=True, metadata={"description": "Of a search for words with more than 10,000 results; else false"}
    )


class TasksPageSchema(page_schema(TaskSchema)):  # type: ignore[misc]
    """A page of tasks."""

    counts = fields.Nested(CountsSchema, required=True)
