"""Files of people who come from outside: CSV or JSON, one person a row."""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from typing import Any

from auth_service.domain.person import is_external_id, person
from auth_service.errors import N_, InvalidUser, UnreadableImport
from chassis.errors import Invalid
from chassis.input.bodies import load_json
from chassis.people import ACTIVE, BLOCKED

_REQUIRED = ("external_id", "name", "email", "role")
_STATUS = "status"
_COLUMNS = {*_REQUIRED, _STATUS}

Row = dict[str, str]


def read_import(text: str, *, json_format: bool) -> list[Row]:
    """Return the rows of a file, each with external_id, name, email, role and perhaps status (active or blocked).

    CSV has a header line, and commas or semicolons; JSON is a list of objects. An empty status means active.
    Raises UnreadableImport naming every row at fault, or the file.
    """
    raw = _from_json(text) if json_format else _from_csv(text)
    if not raw:
        raise _unreadable(N_("There is nobody in this file."))
    errors: dict[str, list[str]] = {}
    seen: Counter[str] = Counter()
    for number, row in enumerate(raw, start=1):
        faults = _faults(row)
        if not faults:
            seen[row["external_id"]] += 1
            faults = [N_("A row above has the same external_id.")] if seen[row["external_id"]] > 1 else []
        if faults:
            errors[f"row {number}"] = faults
    if errors:
        raise UnreadableImport(errors)
    return [_with_status(row) for row in raw]


def _from_json(text: str) -> list[Any]:
    try:
        found = load_json(text.encode())
    except ValueError:
        raise _unreadable(N_("This is not JSON.")) from None
    except Invalid as error:
        raise _unreadable(error.message) from None
    if not isinstance(found, list):
        raise _unreadable(N_("This is not a list of users."))
    return found


def _from_csv(text: str) -> list[Any]:
    text = text.lstrip("\r\n")
    header = text.partition("\n")[0]
    separator = ";" if header.count(";") > header.count(",") else ","  # as spreadsheets write where 1,5 is a number
    try:
        rows = csv.DictReader(io.StringIO(text), delimiter=separator, strict=True)
        columns = set(rows.fieldnames or ())
        if columns and not set(_REQUIRED) <= columns <= _COLUMNS:
            raise _unreadable(N_("The first line has to be: external_id, name, email, role and perhaps status."))
        return list(rows)
    except csv.Error:
        raise _unreadable(N_("This is not CSV.")) from None


def _faults(row: Any) -> list[str]:
    if not isinstance(row, Mapping) or not all(isinstance(value, str) for value in row.values()):
        return [N_("A row holds nothing but text.")]
    if not set(_REQUIRED) <= set(row) <= _COLUMNS:
        return [N_("A row holds external_id, name, email, role and perhaps status, and nothing else.")]
    faults = [] if is_external_id(row["external_id"]) else [N_("The external_id is empty, too long or not one line.")]
    if row.get(_STATUS) not in (None, "", ACTIVE, BLOCKED):
        faults.append(N_("The status has to be active or blocked."))
    try:
        person(row["name"], row["email"], row["role"])
    except InvalidUser as error:
        faults += [text for texts in (error.errors or {}).values() for text in texts]
    return faults


def _with_status(row: Mapping[str, str]) -> Row:
    return {**row, _STATUS: row[_STATUS] or ACTIVE} if _STATUS in row else dict(row)


def _unreadable(why: str) -> UnreadableImport:
    return UnreadableImport({"file": [why]})
