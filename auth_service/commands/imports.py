"""People who come from outside, by external id, as often as one likes.

A file is judged by what it makes of everybody together. Nobody waits for it but who changes the same people meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Text, any_, bindparam, cast, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from auth_service.commands.import_files import Row
from auth_service.commands.users import (
    block,
    change_role,
    check_an_admin_stays,
    email_checked,
    is_active_admin,
    register,
    rename,
    try_lock_admins,
    unblock,
)
from auth_service.domain.person import Person, person
from auth_service.errors import N_, EmailTaken, LastAdmin, UnreadableImport
from auth_service.models import User
from chassis.clock_offset import read_offset
from chassis.db import utc_now
from chassis.errors import Busy
from chassis.people import ACTIVE, BLOCKED, Role


@dataclass(frozen=True)
class _Wanted:
    """What a row makes of somebody."""

    #: As people count: the first row is 1.
    row: int
    external_id: str
    person: Person
    #: None leaves it as it is; who is new is active then.
    status: str | None

    def fits(self, user: User) -> bool:
        """Tell whether there is nothing to change."""
        return Person(user.name, user.email, user.role) == self.person and self.status in (None, user.status)

    def takes_admin_away(self, user: User) -> bool:
        """Tell whether an active administrator would be none any more."""
        return is_active_admin(user) and (self.person.role != Role.ADMIN or self.status == BLOCKED)


def import_users(session: Session, rows: Sequence[Row]) -> dict[str, int]:
    """Register who is new, change who is different, and return how many were created, updated and unchanged.

    All or nothing: raises UnreadableImport naming the rows that cannot be taken, or Busy.
    """
    wanted = {found.external_id: found for found in _wanted(rows)}
    known = _known(session, list(wanted))
    differing = [user.id for user in known.values() if not wanted[_external_id(user)].fits(user)]
    changing = User.lock_all(session, User.id.in_(differing))
    _check_emails(session, wanted)
    loses_admins = any(wanted[_external_id(user)].takes_admin_away(user) for user in changing)
    if loses_admins and not try_lock_admins(session):  # to wait here, with users locked, could be to wait for ever
        raise Busy(N_("Somebody is changing administrators at the moment. Import the file again."))
    before = {user.id: user.version for user in changing}
    with email_checked(session):
        _free_emails(session, wanted, changing)
        for user in changing:
            _change(session, user, wanted[_external_id(user)])
        ahead = timedelta(seconds=read_offset(session))
        for new in wanted.values():
            if new.external_id not in known:
                _create(session, new, at=utc_now() + ahead)
    if loses_admins:
        _check_admins(session)
    updated = sum(user.version > before[user.id] for user in changing)
    return {"created": len(wanted) - len(known), "updated": updated, "unchanged": len(known) - updated}


def _wanted(rows: Sequence[Row]) -> list[_Wanted]:
    return [
        _Wanted(number, row["external_id"], person(row["name"], row["email"], row["role"]), row.get("status"))
        for number, row in enumerate(rows, start=1)
    ]


def _known(session: Session, external_ids: list[str]) -> dict[str, User]:
    is_named = User.external_id == any_(bindparam("external_ids", external_ids, ARRAY(Text)))
    return {_external_id(user): user for user in session.scalars(select(User).where(is_named))}


def _check_emails(session: Session, wanted: Mapping[str, _Wanted]) -> None:
    """Raise UnreadableImport for rows whose address somebody else has when all rows are applied."""
    taken: dict[str, str | None] = {}
    addresses = [_folded(each) for each in wanted.values()]
    owners = select(func.lower(User.email), User.external_id).where(
        func.lower(User.email) == any_(bindparam("addresses", addresses, ARRAY(Text)))
    )
    for address, external_id in session.execute(owners):
        if external_id not in wanted:
            taken[address] = external_id
    errors = {}
    for each in wanted.values():
        if _folded(each) in taken:
            errors[f"row {each.row}"] = [EmailTaken().message]
        taken[_folded(each)] = each.external_id
    if errors:
        raise UnreadableImport(errors)


def _free_emails(session: Session, wanted: Mapping[str, _Wanted], changing: Sequence[User]) -> None:
    """Let nobody hold an address that may be another's in a moment: each statement is checked on its own."""
    moving = [user.id for user in changing if user.email.lower() != _folded(wanted[_external_id(user)])]
    if moving:
        freed = update(User).where(User.id.in_(moving)).values(email=cast(User.id, Text))
        session.execute(freed, execution_options={"synchronize_session": False})


def _change(session: Session, user: User, wanted: _Wanted) -> None:
    rename(session, user, wanted.person)
    change_role(session, user, wanted.person.role)
    if wanted.status == BLOCKED:
        block(session, user)
    elif wanted.status == ACTIVE:
        unblock(session, user)


def _create(session: Session, wanted: _Wanted, *, at: datetime) -> None:
    user = register(session, wanted.person, external_id=wanted.external_id, at=at)
    if wanted.status == BLOCKED:
        block(session, user)


def _check_admins(session: Session) -> None:
    try:
        check_an_admin_stays(session)
    except LastAdmin as error:
        raise UnreadableImport(
            {"file": [N_("No active administrator with a beak would be left: enrol the new one's beak first.")]}
        ) from error


def _folded(wanted: _Wanted) -> str:
    return wanted.person.email.lower()


def _external_id(user: User) -> str:
    if user.external_id is None:
        raise ValueError("only users with an external id are imported")
    return user.external_id
