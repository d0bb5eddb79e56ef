"""Photos as the body of a request."""

from typing import Any

from flask import request

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
