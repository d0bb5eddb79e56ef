"""Lists page by page: an opaque cursor says after which item to go on.

Unlike an offset it does not repeat or skip items when others come or go in between.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from marshmallow import Schema, fields, post_load, validate
from sqlalchemy import ColumnElement, Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from chassis.errors import N_, Invalid

T = TypeVar("T")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


@dataclass(frozen=True)
class PageRequest:
    """Which part of a list is wanted."""

    limit: int = DEFAULT_LIMIT
    #: The `next_cursor` of the page before; None for the first page.
    cursor: str | None = None


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list. `next_cursor` is None when it is the last one."""

    items: list[T]
    next_cursor: str | None = None


class PageArgs(Schema):
    """The query string of a list: `?limit=` and `?cursor=`. A list with filters of its own derives from it.

    The view receives the filters as keyword arguments of a dict, with a PageRequest under `page`.
    """

    limit = fields.Integer(load_default=DEFAULT_LIMIT, validate=validate.Range(1, MAX_LIMIT))
    cursor = fields.String(load_default=None, metadata={"description": "`next_cursor` of the page before"})

    @post_load
    def _as_page(self, data: dict[str, Any], **_: object) -> dict[str, Any]:
        page = PageRequest(data.pop("limit"), data.pop("cursor"))
        return {**data, "page": page}


def page_schema(item: type[Schema]) -> type[Schema]:
    """Return the schema of a page of such items: `{"items": [...], "next_cursor": null | "..."}`."""
    name = item.__name__.removesuffix("Schema") + "Page"
    return type(
        name,
        (Schema,),
        {
            "items": fields.List(fields.Nested(item), required=True),
            "next_cursor": fields.String(required=True, allow_none=True),
        },
    )


Key = ColumnElement[Any] | InstrumentedAttribute[Any]


def fetch_page(
    session: Session, statement: Select[*tuple[Any, ...]], *keys: Key, page: PageRequest, descending: bool = False
) -> Page[Any]:
    """Fetch a page of the statement, ordered by the keys: together they are unique, and none is ever NULL.

    Items are entities when the statement selects one thing, rows when it selects several.
    Raises Invalid for a cursor that is not one of this list.
    """
    width = len(statement.column_descriptions)
    if page.cursor is not None:
        position = tuple_(*decode_cursor(page.cursor, *(key.type.python_type for key in keys)))
        line = tuple_(*keys)
        statement = statement.where(line < position if descending else line > position)
    ordered = statement.add_columns(*keys).order_by(*(key.desc() if descending else key.asc() for key in keys))
    rows = session.execute(ordered.limit(page.limit + 1)).all()
    shown = rows[: page.limit]
    items = [row[0] if width == 1 else row[:width] for row in shown]
    return Page(items, encode_cursor(*shown[-1][width:]) if len(rows) > page.limit else None)


def encode_cursor(*values: Any) -> str:
    """Return an opaque cursor that holds the values of the keys."""
    text = json.dumps([value if isinstance(value, int) else str(value) for value in values])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: Callable[[Any], Any]) -> list[Any]:
    """Return the values of a cursor, each of the kind named. Raises Invalid if it does not hold such values."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return [_value(kind, value) for kind, value in zip(kinds, values, strict=True)]
    except (ValueError, TypeError) as error:
        message = N_("This cursor does not belong to this list.")
        raise Invalid(message, errors={"cursor": [message]}) from error


def _value(kind: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, str) and b"\0" in value.encode():  # Postgres keeps neither NUL nor half a surrogate pair
        raise ValueError("no text that a key can have")
    return getattr(kind, "fromisoformat", kind)(value)
