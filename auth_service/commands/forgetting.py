"""What is deleted by the clock. The job that does it needs none of what signs tokens and compares beaks."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from auth_service.models import AuthorizationCode, RefusedSignIn, RevokedToken
from chassis.people import LIFETIME

#: A redeemed code is kept while the token lives that was given for it: if it comes again, that is revoked.
_KEPT = LIFETIME + timedelta(minutes=5)
#: How long refusals are kept, and how many: a flood of them, held back to 120 a minute, fills so many in 7 hours.
_REFUSALS_KEPT = timedelta(days=90)
_MOST_REFUSALS = 50_000


def forget_expired(session: Session, *, now: datetime) -> None:
    """Delete codes and revocations that are about nothing that could still be used."""
    session.execute(delete(AuthorizationCode).where(AuthorizationCode.expires_at < now - _KEPT))
    session.execute(delete(RevokedToken).where(RevokedToken.expires_at < now))


def forget_refusals(session: Session, *, now: datetime) -> None:
    """Delete refusals that are old, and the oldest of too many."""
    session.execute(delete(RefusedSignIn).where(RefusedSignIn.refused_at < now - _REFUSALS_KEPT))
    line = tuple_(RefusedSignIn.refused_at, RefusedSignIn.id)
    newest_first = select(*line).order_by(RefusedSignIn.refused_at.desc(), RefusedSignIn.id.desc())
    first_too_many = newest_first.offset(_MOST_REFUSALS).limit(1).scalar_subquery()
    session.execute(delete(RefusedSignIn).where(line <= first_too_many))
