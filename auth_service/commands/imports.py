"""People who come from outside: a CSV or JSON file by external id, as often as one likes."""

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from auth_service.commands.users import block_user, create_user, lock_admins, unblock_user, update_user
from auth_service.domain.person import is_external_id, person
from auth_service.errors import N_, EmailTaken, InvalidUser, LastAdmin, UnreadableImport
from auth_service.models import User
from chassis.people import ACTIVE, BLOCKED

_REQUIRED = ("external_id", "name", "email", "role")
_STATUS = "status"

Row = dict[str, str]


def read_import(text: str, *, json_format: bool) -> list[Row]:
    """Return the rows of a file, each with external_id, name, email, role and perhaps status (active or blocked).

    CSV has a header line; JSON is a list of objects. Raises UnreadableImport naming every row at fault.
    """
    raw = _from_json(text) if json_format else _from_csv(text)
    errors: dict[str, list[str]] = {}
    seen: Counter[str] = Counter()
    for number, row in enumerate(raw, start=1):
        faults = _faults(row)
        if not faults:
            seen[row["external_id"]] += 1
            faults = [N_("The same external_id stands in a row above.")] if seen[row["external_id"]] > 1 else []
        if faults:
            errors[f"row {number}"] = faults
    if errors:
        raise UnreadableImport(errors)
    return [dict(row) for row in raw]


def import_users(session: Session, rows: Sequence[Row]) -> dict[str, int]:
    """Register who is new, change who is different, and return how many were created, updated and unchanged.

    All or nothing: raises UnreadableImport naming the row that cannot be taken.
    """
    lock_admins(session)
    counts: Counter[str] = Counter(created=0, updated=0, unchanged=0)
    for number, row in enumerate(rows, start=1):
        try:
            counts[import_user(session, **row)] += 1
        except (EmailTaken, LastAdmin) as error:
            raise UnreadableImport({f"row {number}": [error.message]}) from error
    return dict(counts)


def import_user(
    session: Session, *, external_id: str, name: str, email: str, role: str, status: str | None = None
) -> str:
    """Make the user of this external id what the row says; return created, updated or unchanged.

    Without a status, who is new is active and everybody else stays as they are.
    Raises InvalidUser, EmailTaken, LastAdmin.
    """
    user = session.scalar(select(User).where(User.external_id == external_id))
    before = user.version if user else 0
    if user is None:
        user = create_user(session, name=name, email=email, role=role, external_id=external_id)
    else:
        user = update_user(session, user.id, name=name, email=email, role=role)
    if status == BLOCKED:
        block_user(session, user.id)
    elif status == ACTIVE:
        unblock_user(session, user.id)
    if before == 0:
        return "created"
    return "updated" if user.version > before else "unchanged"


def _from_json(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        raise UnreadableImport({"file": [N_("This is not JSON.")]}) from None
    if not isinstance(found, list):
        raise UnreadableImport({"file": [N_("This is not a list of users.")]})
    return found


def _from_csv(text: str) -> list[Any]:
    try:
        return list(csv.DictReader(io.StringIO(text), strict=True))
    except csv.Error:
        raise UnreadableImport({"file": [N_("This is not CSV.")]}) from None


def _faults(row: Any) -> list[str]:
    if not isinstance(row, Mapping) or not all(isinstance(value, str) for value in row.values()):
        return [N_("This is not a row of texts.")]
    if not set(_REQUIRED) <= set(row) <= {*_REQUIRED, _STATUS}:
        return [N_("A row has external_id, name, email, role and perhaps status, and nothing else.")]
    faults = [] if is_external_id(row["external_id"]) else [N_("The external_id is empty, too long or not one line.")]
    if row.get(_STATUS, ACTIVE) not in (ACTIVE, BLOCKED):
        faults.append(N_("The status is neither active nor blocked."))
    try:
        person(row["name"], row["email"], row["role"])
    except InvalidUser as error:
        faults += [text for texts in (error.errors or {}).values() for text in texts]
    return faults
