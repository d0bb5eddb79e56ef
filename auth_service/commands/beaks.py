"""Looking at photos, and enrolling beaks."""

from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from auth_service.commands.users import locked_user
from auth_service.decoder import Decoder
from auth_service.domain.beak import Descriptor, to_bytes
from auth_service.models import Beak, BeakRevision, User
from auth_service.queries.beaks import BeakMemory
from chassis.db import utc_now

#: One for the whole process: its seats are what keeps photos from taking all processors.
_DECODER = Decoder()


def look_at(photo: bytes, content_type: str) -> Descriptor:
    """Return the shape of the beak in the photo. It may take seconds, so it comes before the transaction.

    Raises UnsupportedPhoto, PhotoTooLarge, an UnusablePhoto or TooManyPhotos.
    """
    return _DECODER.look_at(photo, content_type)


def enrol_beak(session: Session, memory: BeakMemory, user_id: UUID, descriptor: Descriptor) -> None:
    """Make this the user's beak. The one before opens nothing any more, and its sessions end.

    Raises UserNotFound or BeakTaken.
    """
    user = locked_user(session, user_id)
    # The counter's row stays locked until the commit: of two like beaks enrolled at once, the second sees the first.
    counted = update(BeakRevision).values(latest=BeakRevision.latest + 1).returning(BeakRevision.latest)
    revision = session.execute(counted).scalar_one()
    memory.peek(session).check_unlike_others(descriptor, user.id)
    values = {"descriptor": to_bytes(descriptor), "revision": revision, "enrolled_at": utc_now()}
    row = insert(Beak).values(user_id=user.id, **values)
    if session.get(Beak, user.id) is not None:
        _end_sessions(user)
    session.execute(row.on_conflict_do_update(index_elements=["user_id"], set_=values))


def withdraw_beak(session: Session, user_id: UUID) -> None:
    """Let the user sign in no more, until a beak is enrolled again, and end all sessions. Raises UserNotFound."""
    _end_sessions(locked_user(session, user_id))
    session.execute(delete(Beak).where(Beak.user_id == user_id))


def _end_sessions(user: User) -> None:
    user.valid_after = utc_now()
