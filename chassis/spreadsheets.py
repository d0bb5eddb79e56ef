"""Lists as CSV (RFC 4180), for spreadsheets and for programs.

Columns are the fields of the JSON, in their order, those of an object within it as `assignee_id`; amounts are in cents,
as their names say. What a spreadsheet would take for a formula gets an apostrophe in front, also within a text, where a
spreadsheet that splits cells by semicolons or tabs begins a new one: https://owasp.org/www-community/attacks/CSV_Injection.
Numbers stay as they are.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flask import Response, stream_with_context
from marshmallow import Schema, fields

CONTENT_TYPE = "text/csv"

#: The beginning of a formula, at the beginning of a cell.
_FORMULA = re.compile(r"(?:(?<=[;,\t\r\n])|\A)(?=[ ]*[=+\-@\t\r])")
#: Tells a spreadsheet that it is UTF-8. Programs would take it for a part of the first column's name.
_BYTE_ORDER_MARK = "\ufeff"


def csv_response(
    schema: type[Schema], parts: Iterable[Sequence[Any]], *, name: str, for_spreadsheet: bool = False
) -> Response:
    """Return the items as a file `<name>.csv`, each row as the schema dumps it. It is sent part by part as they come.

    `for_spreadsheet`: with a byte order mark.
    """
    body = stream_with_context(_encoded(schema, parts, _BYTE_ORDER_MARK if for_spreadsheet else ""))
    disposition = f'attachment; filename="{name}.csv"'
    return Response(body, mimetype=CONTENT_TYPE, headers={"Content-Disposition": disposition})


def _encoded(schema: type[Schema], parts: Iterable[Sequence[Any]], mark: str) -> Iterator[str]:
    columns = list(_columns(schema))
    yield mark + _lines([["_".join(path) for path in columns]])
    dump = schema(many=True).dump
    for part in parts:
        yield _lines([[_cell(_found(item, path)) for path in columns] for item in dump(part)])


def _columns(schema: type[Schema]) -> Iterator[tuple[str, ...]]:
    """Yield for each column the way to its value: the names of the fields, from the outside inwards."""
    for name, field in schema().dump_fields.items():
        here = field.data_key or name
        if isinstance(field, fields.Nested):
            yield from ((here, *path) for path in _columns(type(field.schema)))
        else:
            yield (here,)


def _found(item: Any, path: tuple[str, ...]) -> object:
    for name in path:
        item = None if item is None else item.get(name)
    return item


def _cell(value: object) -> str:
    if isinstance(value, str):
        return _FORMULA.sub("'", value)
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _lines(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
