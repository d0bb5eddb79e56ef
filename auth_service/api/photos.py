"""Photos that people are let in by, and photos as the body of a request."""

from typing import Any

from flask import request

from auth_service import commands
from auth_service.api.limits import remember_client
from auth_service.models import SignIn, User
from chassis.errors import ServiceError, Unavailable
from chassis.runtime import runtime

#: For the documentation of a request whose body is a photo.
PHOTO: dict[str, Any] = {
    "required": True,
    "description": "A photo of the beak",
    "content": {
        "image/png": {"schema": {"type": "string", "contentMediaType": "image/png"}},
        "image/jpeg": {"schema": {"type": "string", "contentMediaType": "image/jpeg"}},
    },
}


def sent_photo() -> tuple[bytes, str]:
    """Return the body and what it claims to be; nothing has been checked yet but its size."""
    return request.get_data(cache=False), request.mimetype


def let_in(photo: bytes, content_type: str, *, via: str) -> tuple[SignIn, User]:
    """Let in whose beak is in the photo, and note who was let in or why not. `via`: pages or api.

    Raises what `commands.look_at` and `commands.sign_in` raise.
    """
    address = request.remote_addr
    try:
        descriptor = commands.look_at(photo, content_type)
        with runtime().database.transaction() as session:
            found = commands.sign_in(session, commands.tools().beaks, descriptor, via=via, address=address)
    except Unavailable:
        raise  # nobody was refused
    except ServiceError as refusal:
        with runtime().database.transaction() as session:
            commands.note_refusal(session, refusal, via=via, address=address)
        raise
    remember_client()
    return found
