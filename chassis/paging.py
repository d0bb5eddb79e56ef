"""Lists page by page: an opaque cursor says after which item to go on.

What is in the list from the first page to the last is on one page exactly, however much time lies between the pages and
whatever happens meanwhile: a list is ordered by what never changes of an item. What comes in between may be missed, and
what goes is gone. The reasons are in docs/decisions/0016-what-comes-in.md.
"""

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Generic, TypeVar
from uuid import UUID

from marshmallow import Schema, fields, post_load, validate
from sqlalchemy import ColumnElement, Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from chassis.errors import N_, Invalid
from chassis.input.days import is_possible, read_day
from chassis.input.fields import BIGGEST_NUMBER
from chassis.input.text import is_text
from messaging.strict_json import read_json

T = TypeVar("T")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

#: Grows when cursors say something else than they did: older ones are refused then.
_VERSION = 1
_CURSOR_LENGTH = 1000


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


def limit_field(default: int = DEFAULT_LIMIT) -> fields.Integer:
    """Return the field that says how many items a page has at the most."""
    return fields.Integer(load_default=default, validate=validate.Range(1, MAX_LIMIT))


def cursor_field() -> fields.String:
    """Return the field of a cursor."""
    return fields.String(
        load_default=None,
        validate=validate.Length(max=_CURSOR_LENGTH),
        metadata={"description": "`next_cursor` of the page before; what else was asked for stays the same"},
    )


class PageArgs(Schema):
    """The query string of a list: `?limit=` and `?cursor=`. A list with filters of its own derives from it.

    The view receives the filters as keyword arguments of a dict, with a PageRequest under `page`.
    """

    limit = limit_field()
    cursor = cursor_field()

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


@dataclass(frozen=True)
class Order:
    """What a list is ordered by. Together the keys are unique; none of them ever changes or is NULL."""

    keys: tuple[Key, ...]
    descending: bool = False

    def cursor(self, *values: Any) -> str:
        """Return a cursor behind the item whose keys have these values."""
        return encode_cursor(self._name(), *values)

    def position(self, cursor: str) -> list[Any]:
        """Return the values of the keys that the cursor was made of. Raises Invalid for one of another list."""
        return decode_cursor(cursor, self._name(), *(key.type.python_type for key in self.keys))

    def behind(self, cursor: str) -> ColumnElement[bool]:
        """Return the condition that an item comes after the cursor. Raises Invalid for one of another list."""
        line, position = tuple_(*self.keys), tuple_(*self.position(cursor))
        return line < position if self.descending else line > position

    def clauses(self) -> list[ColumnElement[Any]]:
        """Return what the statement is ordered by."""
        return [key.desc() if self.descending else key.asc() for key in self.keys]

    def _name(self) -> str:
        return " ".join(map(str, self.clauses()))


def fetch_page(session: Session, statement: Select[*tuple[Any, ...]], order: Order, page: PageRequest) -> Page[Any]:
    """Fetch a page of the statement.

    Items are entities when the statement selects one thing, rows when it selects several.
    Raises Invalid for a cursor that is not one of this list.
    """
    width = len(statement.column_descriptions)
    if page.cursor is not None:
        statement = statement.where(order.behind(page.cursor))
    ordered = statement.add_columns(*order.keys).order_by(*order.clauses())
    rows = session.execute(ordered.limit(page.limit + 1)).all()
    shown = rows[: page.limit]
    items = [row[0] if width == 1 else row[:width] for row in shown]
    return Page(items, order.cursor(*shown[-1][width:]) if len(rows) > page.limit else None)


def encode_cursor(order: str, *values: Any) -> str:
    """Return an opaque cursor for lists in this order, which holds the values of the keys."""
    kept = [value if isinstance(value, int) else str(value) for value in values]
    text = json.dumps([_VERSION, _digest(order), *kept])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, order: str, *kinds: type) -> list[Any]:
    """Return the values of a cursor, each of the kind named: int, str, UUID, date or datetime.

    Raises Invalid if it is none of ours, or of a list in another order.
    """
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = read_json(text)
        if isinstance(found, list) and found[:2] == [_VERSION, _digest(order)]:
            return [_READ[kind](value) for kind, value in zip(kinds, found[2:], strict=True)]
    except (ValueError, TypeError) as error:
        raise wrong_cursor() from error
    raise wrong_cursor()


def wrong_cursor() -> Invalid:
    """Return the refusal of a cursor."""
    message = N_("This cursor does not belong to this list.")
    return Invalid(message, errors={"cursor": [message]})


def _digest(order: str) -> int:
    return zlib.crc32(order.encode())


def _text(value: object) -> str:
    if not isinstance(value, str) or not is_text(value):
        raise ValueError("no text that a key can have")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > BIGGEST_NUMBER:
        raise ValueError("no number that a key can have")
    return value


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None or not is_possible(moment.date()):
        raise ValueError("no moment that a key can have")
    return moment


_READ: Mapping[type, Callable[[Any], Any]] = MappingProxyType(
    {
        int: _number,
        str: _text,
        UUID: lambda value: UUID(_text(value)),
        date: lambda value: read_day(_text(value)),
        datetime: _moment,
    }
)
