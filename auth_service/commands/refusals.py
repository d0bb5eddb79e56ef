"""Sign-ins that were refused, and why."""

import structlog
from sqlalchemy.orm import Session

from auth_service.errors import UserIsBlocked
from auth_service.models import RefusedSignIn
from chassis.db import utc_now
from chassis.errors import ServiceError

_log = structlog.get_logger(__name__)


def note_refusal(session: Session, refusal: ServiceError, *, via: str, address: str | None) -> None:
    """Note why somebody was not let in, and who it was if their beak is known."""
    _log.info("sign_in_refused", reason=refusal.kind, via=via, address=address)
    user_id = refusal.user_id if isinstance(refusal, UserIsBlocked) else None
    session.add(RefusedSignIn(reason=refusal.kind, user_id=user_id, via=via, address=address, refused_at=utc_now()))
