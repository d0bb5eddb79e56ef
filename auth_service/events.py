"""The events that auth publishes. Those about users carry the whole user, so the newest one is enough to know them.

A user's version is the sequence of the user's events. A sign-in has two events: it began, it ended.
"""

from datetime import datetime
from typing import Any

from auth_service.models import SignIn, User
from messaging import Event


def user_registered(user: User, *, sequence: int, changed_at: datetime) -> Event:
    """Somebody is new here."""
    return _of_user("auth.user_registered.v1", user, sequence, changed_at)


def user_updated(user: User, *, sequence: int, changed_at: datetime) -> Event:
    """Name or e-mail changed."""
    return _of_user("auth.user_updated.v1", user, sequence, changed_at)


def user_role_changed(user: User, *, sequence: int, changed_at: datetime, previous_role: str) -> Event:
    """The role changed, and with it what the user may do."""
    return _of_user("auth.user_role_changed.v1", user, sequence, changed_at, previous_role=previous_role)


def user_blocked(user: User, *, sequence: int, changed_at: datetime) -> Event:
    """The user is shut out everywhere."""
    return _of_user("auth.user_blocked.v1", user, sequence, changed_at)


def user_unblocked(user: User, *, sequence: int, changed_at: datetime) -> Event:
    """The user is let in again."""
    return _of_user("auth.user_unblocked.v1", user, sequence, changed_at)


def user_signed_in(sign_in: SignIn) -> Event:
    """Somebody showed their beak and was let in."""
    return Event.new(
        "auth.user_signed_in.v1",
        subject=str(sign_in.id),
        sequence=1,
        data={
            "sign_in_id": str(sign_in.id),
            "user_id": str(sign_in.user_id),
            "method": sign_in.method,
            "signed_in_at": sign_in.signed_in_at.isoformat(),
        },
    )


def user_signed_out(sign_in: SignIn, *, signed_out_at: datetime) -> Event:
    """Somebody left."""
    return Event.new(
        "auth.user_signed_out.v1",
        subject=str(sign_in.id),
        sequence=2,
        data={
            "sign_in_id": str(sign_in.id),
            "user_id": str(sign_in.user_id),
            "signed_out_at": signed_out_at.isoformat(),
        },
    )


def _of_user(kind: str, user: User, sequence: int, changed_at: datetime, **more: Any) -> Event:
    data = {
        "user_id": str(user.id),
        "name": user.name,
        "email": user.email,
        "role": user.role,
        "status": user.status,
        "changed_at": changed_at.isoformat(),
        "external_id": user.external_id,
    }
    return Event.new(kind, subject=str(user.id), sequence=sequence, data={**data, **more})
