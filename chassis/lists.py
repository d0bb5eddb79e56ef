"""How the REST API answers with lists: a page as JSON, or the whole list as CSV for who accepts that rather."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

from flask import Response, request
from marshmallow import Schema

from chassis.input.bodies import Blueprint
from chassis.paging import Page, PageRequest, page_schema
from chassis.spreadsheets import CONTENT_TYPE, csv_response

#: Of one statement, where the whole list is wanted.
_ROWS = 1000

T = TypeVar("T")
ListView = Callable[..., Page[Any]]


def lists(
    blueprint: Blueprint, item: type[Schema], page: type[Schema] | None = None
) -> Callable[[ListView], Callable[..., Any]]:
    """Let a view that returns a Page answer with it; stands below `arguments`, which gives the view its query string.

    By `Accept: text/csv` the list comes as CSV, from the cursor to its end; with a `limit`, only so much of it.
    `page` is the schema of a page that has more than items and cursors.
    """

    def decorate(view: ListView) -> Callable[..., Any]:
        @wraps(view)
        def answer(args: dict[str, Any], **path: object) -> Page[Any] | Response:
            if "page" in args:
                args["page"] = args["page"].about(path)
            if not wants_csv():
                return view(args, **path)
            return csv_response(item, _wanted_parts(view, args, path), name=request.path.rpartition("/")[2])

        answered = blueprint.response(200, page or page_schema(item))(answer)
        as_csv = {"schema": {"type": "string"}, "content_type": CONTENT_TYPE, "success": True}
        documented: Callable[..., Any] = blueprint.alt_response(200, **as_csv)(answered)
        return documented

    return decorate


def wants_csv() -> bool:
    """Tell whether the client would rather have CSV than JSON."""
    return request.accept_mimetypes.best_match(["application/json", CONTENT_TYPE]) == CONTENT_TYPE


def whole_list(page: PageRequest, fetch: Callable[[PageRequest], Page[T]]) -> Iterator[list[T]]:
    """Return a list part by part, from the page on.

    The first part is fetched at once, so that a refusal is still an answer; the others as they are asked for.
    """
    page = replace(page, limit=_ROWS)
    return _parts(fetch(page), page, fetch)


def _parts(found: Page[T], page: PageRequest, fetch: Callable[[PageRequest], Page[T]]) -> Iterator[list[T]]:
    yield found.items
    while found.next_cursor is not None:
        found = fetch(replace(page, cursor=found.next_cursor))
        yield found.items


def _wanted_parts(view: ListView, args: dict[str, Any], path: dict[str, object]) -> Iterator[list[Any]]:
    page: PageRequest | None = args.get("page")
    if page is None or "limit" in request.args:
        return iter([view(args, **path).items])
    return whole_list(page, lambda part: view({**args, "page": part}, **path))
