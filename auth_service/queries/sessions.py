"""Which sessions go on, and which tokens of them count."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from auth_service.models import RevokedToken, SignIn, User
from chassis.people import ACTIVE

#: A session is over then, whatever happens: after a day's work the beak is shown again.
_LONGEST = timedelta(hours=12)


def goes_on(session: Session, session_id: UUID, *, now: datetime) -> bool:
    """Tell whether nobody has ended the session: no sign-out, no block since it began, and it is not too old."""
    found = (
        select(SignIn.id)
        .join(User, User.id == SignIn.user_id)
        .where(
            SignIn.id == session_id,
            SignIn.signed_out_at.is_(None),
            SignIn.signed_in_at > now - _LONGEST,
            User.status == ACTIVE,
            or_(User.valid_after.is_(None), SignIn.signed_in_at > User.valid_after),
        )
    )
    return session.scalar(found) is not None


def token_counts(session: Session, token_id: UUID, session_id: UUID, *, now: datetime) -> bool:
    """Tell whether the token was not revoked and its session goes on."""
    return session.get(RevokedToken, token_id) is None and goes_on(session, session_id, now=now)
