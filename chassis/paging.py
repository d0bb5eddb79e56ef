"""Lists page by page, both ways: an opaque cursor says after or before which item to go on.

What is in the list from the first page to the last is on one page exactly, however much time lies between the pages and
whatever happens meanwhile: a list is ordered by what never changes of an item. What comes in between may be missed, and
what goes is gone. A cursor counts for the list that it is of: in the same order, with the same filters. The reasons are
in docs/decisions/0016-what-comes-in.md.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

from marshmallow import Schema, fields, post_load, validate
from sqlalchemy import ColumnElement, Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from chassis.cursors import decode_cursor, encode_cursor, wrong_cursor

T = TypeVar("T")
U = TypeVar("U")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

#: A title of 200 characters that take four bytes each fits in.
_CURSOR_LENGTH = 2000


@dataclass(frozen=True)
class PageRequest:
    """Which part of a list is wanted."""

    limit: int = DEFAULT_LIMIT
    #: The `next_cursor` or `prev_cursor` of a page of the list; None for the first page.
    cursor: str | None = None
    #: What else was asked for, such as filters: a cursor counts only together with the same.
    asked: str = ""

    def about(self, asked: Mapping[str, object]) -> "PageRequest":
        """Return the same request for a list of which this, too, was asked."""
        told = {name: value for name, value in asked.items() if value is not None}
        return replace(self, asked=self.asked + json.dumps(told, sort_keys=True, default=str)) if told else self


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list."""

    items: list[T]
    #: Of the page behind this one; None when this is the last one.
    next_cursor: str | None = None
    #: Of the page before this one; None when this is the first one.
    prev_cursor: str | None = None

    def map(self, view: Callable[[T], U]) -> "Page[U]":
        """Return the page with something else in the place of each item."""
        return Page([view(item) for item in self.items], self.next_cursor, self.prev_cursor)


def limit_field(default: int = DEFAULT_LIMIT) -> fields.Integer:
    """Return the field that says how many items a page has at the most."""
    return fields.Integer(load_default=default, validate=validate.Range(1, MAX_LIMIT))


class _Cursor(fields.String):
    """The field of a cursor, which is no filter."""

    def __init__(self) -> None:
        super().__init__(
            load_default=None,
            validate=validate.Length(max=_CURSOR_LENGTH),
            metadata={
                "description": "`next_cursor` or `prev_cursor` of another page; what else was asked for stays the same"
            },
        )


def cursor_field() -> fields.String:
    """Return the field of a cursor."""
    return _Cursor()


class PageArgs(Schema):
    """The query string of a list: `?limit=` and `?cursor=`. A list with filters of its own derives from it.

    The view receives the filters as keyword arguments of a dict, with a PageRequest under `page`.
    """

    #: Filters that need not be sent again with a cursor, because the list's order has them.
    in_cursor: ClassVar[frozenset[str]] = frozenset()

    limit = limit_field()
    cursor = cursor_field()

    @post_load
    def _as_page(self, data: dict[str, Any], **_: object) -> dict[str, Any]:
        page = PageRequest(data.pop("limit"), data.pop("cursor"))
        filters = {name: value for name, value in data.items() if self._is_filter(name)}
        return {**data, "page": page.about(filters)}

    def _is_filter(self, name: str) -> bool:
        return name not in self.in_cursor and not isinstance(self.fields.get(name), _Cursor)


@cache
def page_schema(item: type[Schema]) -> type[Schema]:
    """Return the schema of a page of such items: `{"items": [...], "next_cursor": null | "...", "prev_cursor": ...}`.

    The same one whenever it is asked for.
    """
    name = item.__name__.removesuffix("Schema") + "Page"
    return type(
        name,
        (Schema,),
        {
            "items": fields.List(fields.Nested(item), required=True),
            "next_cursor": fields.String(required=True, allow_none=True),
            "prev_cursor": fields.String(required=True, allow_none=True),
        },
    )


Key = ColumnElement[Any] | InstrumentedAttribute[Any]


@dataclass(frozen=True)
class Position:
    """Where a page begins."""

    #: Those of the list's keys at some item.
    values: tuple[Any, ...]
    #: The page ends there instead, and the list is read towards its beginning.
    backwards: bool = False
    #: The page has the item itself, too.
    inclusive: bool = False


@dataclass(frozen=True)
class Order:
    """What a list is ordered by. Together the keys are unique; none of them ever changes or is NULL."""

    keys: tuple[Key, ...]
    descending: bool = False

    def cursor(self, page: PageRequest, position: Position) -> str:
        """Return the cursor of this position, for those who ask for the same list as the page's."""
        way = position.backwards + 2 * position.inclusive
        return encode_cursor(self._list_of(page), way, *position.values)

    def position(self, page: PageRequest) -> Position | None:
        """Return where the page begins, None for the first one. Raises Invalid for a cursor of another list."""
        if page.cursor is None:
            return None
        kinds = (key.type.python_type for key in self.keys)
        way, *values = decode_cursor(page.cursor, self._list_of(page), int, *kinds)
        if way not in range(4):
            raise wrong_cursor()
        return Position(tuple(values), backwards=bool(way & 1), inclusive=bool(way & 2))

    def behind(self, position: Position) -> ColumnElement[bool]:
        """Return the condition that an item is on that side of the position where the page is."""
        line, place = tuple_(*self.keys), tuple_(*position.values)
        if self.descending == position.backwards:
            return line >= place if position.inclusive else line > place
        return line <= place if position.inclusive else line < place

    def clauses(self, *, backwards: bool = False) -> list[ColumnElement[Any]]:
        """Return what the statement is ordered by."""
        return [key.desc() if self.descending != backwards else key.asc() for key in self.keys]

    def page(self, page: PageRequest, keyed: list[tuple[T, tuple[Any, ...]]]) -> Page[T]:
        """Return the page of these items, each with its keys: as many as were asked for, and one more if there is one.

        They are in the order in which they were read, from `position` on.
        """
        position = self.position(page)
        backwards = position is not None and position.backwards
        more, shown = len(keyed) > page.limit, keyed[: page.limit]
        if backwards:
            shown.reverse()
        if shown:
            first, last = Position(shown[0][1], backwards=True), Position(shown[-1][1])
        elif position is not None:  # what was there has gone meanwhile
            gone = replace(position, backwards=not backwards, inclusive=not position.inclusive)
            first = last = gone
        return Page(
            [item for item, _ in shown],
            self.cursor(page, last) if (backwards or more) else None,
            self.cursor(page, first) if (more if backwards else position is not None) else None,
        )

    def _list_of(self, page: PageRequest) -> str:
        return " ".join([*map(str, self.clauses()), page.asked])


def fetch_page(session: Session, statement: Select[*tuple[Any, ...]], order: Order, page: PageRequest) -> Page[Any]:
    """Fetch a page of the statement.

    Items are entities when the statement selects one thing, rows when it selects several.
    Raises Invalid for a cursor that is not one of this list.
    """
    width = len(statement.column_descriptions)
    position = order.position(page)
    if position is not None:
        statement = statement.where(order.behind(position))
    backwards = position is not None and position.backwards
    ordered = statement.add_columns(*order.keys).order_by(*order.clauses(backwards=backwards))
    rows = session.execute(ordered.limit(page.limit + 1)).all()
    return order.page(page, [(row[0] if width == 1 else row[:width], tuple(row[width:])) for row in rows])
