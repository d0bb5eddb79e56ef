"""Coming in by the beak, and going."""

from uuid import UUID

from sqlalchemy.orm import Session

from auth_service import events
from auth_service.domain.beak import Descriptor
from auth_service.errors import UnknownBeak, UserIsBlocked
from auth_service.models import SignIn, User
from auth_service.queries.beaks import BeakMemory
from auth_service.queries.users import has_beak
from chassis.db import utc_now
from chassis.people import BLOCKED
from messaging import publish


def sign_in(
    session: Session, memory: BeakMemory, descriptor: Descriptor, *, via: str, address: str | None
) -> tuple[SignIn, User]:
    """Let in whose beak it is, and note it. `via`: pages or api; `address`: from where.

    Raises UnknownBeak, AmbiguousBeak or UserIsBlocked.
    """
    user = _owner_of(session, memory, descriptor)
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
        raise UserIsBlocked(user.id)
    return user
