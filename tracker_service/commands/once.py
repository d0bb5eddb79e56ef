"""A form that is sent twice with the same key creates one thing."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy.orm import Session

from chassis.request_keys import Answer, once
from tracker_service.models import RequestKey


def made_once(session: Session, *, user_id: UUID, key: str, what: object, make: Callable[[], UUID]) -> UUID:
    """Return the id of what `make` creates, or of what this person's key has created before; see `once`."""
    answer = once(session, RequestKey, user_id=user_id, key=key, what=what, make=lambda: Answer(201, str(make())))
    return UUID(answer.body)
