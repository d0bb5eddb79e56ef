"""Coming in by the beak, and going."""

from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from auth_service import events
from auth_service.commands.beaks import look_at
from auth_service.domain.beak import Descriptor
from auth_service.errors import UnknownBeak, UserIsBlocked
from auth_service.models import SignIn, User
from auth_service.queries.beaks import BeakMemory
from auth_service.queries.users import has_beak
from chassis.db import utc_now
from chassis.errors import ServiceError
from chassis.people import BLOCKED
from messaging import publish

_log = structlog.get_logger(__name__)


def sign_in(
    session: Session, memory: BeakMemory, *, photo: bytes, content_type: str, via: str, address: str | None
) -> tuple[SignIn, User]:
    """Let in whose beak is in the photo, and note it. `via`: pages or api; `address`: from where.

    Raises UnsupportedPhoto, PhotoTooLarge, an UnusablePhoto, UnknownBeak, AmbiguousBeak or UserIsBlocked.
    """
    try:
        user = _owner_of(session, memory, look_at(photo, content_type))
    except ServiceError as refusal:
        _log.info("sign_in_refused", reason=type(refusal).__name__, via=via, address=address)
        raise
    entry = SignIn(user_id=user.id, method="beak", via=via, address=address, signed_in_at=utc_now())
    session.add(entry)
    session.flush()
    publish(session, events.user_signed_in(entry))
    return entry, user


def sign_out(session: Session, sign_in_id: UUID) -> None:
    """End the session; nothing happens if it ended before, or never began."""
    entry = session.get(SignIn, sign_in_id, with_for_update=True, populate_existing=True)
    if entry is not None and entry.signed_out_at is None:
        entry.signed_out_at = utc_now()
        publish(session, events.user_signed_out(entry, signed_out_at=entry.signed_out_at))


def _owner_of(session: Session, memory: BeakMemory, descriptor: Descriptor) -> User:
    """Return whose beak it is. The row is locked: a block comes before this, or after the session has begun."""
    user = session.get_one(User, memory.look(session).recognise(descriptor), with_for_update={"read": True})
    if not has_beak(session, user.id):
        raise UnknownBeak  # it was withdrawn since the memory learned it
    if user.status == BLOCKED:
        raise UserIsBlocked
    return user
