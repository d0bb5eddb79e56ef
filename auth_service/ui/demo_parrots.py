"""The parrots of the demo company, which anybody may borrow: their small pictures, and the photos behind these."""

from dataclasses import dataclass

from flask import send_from_directory, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from auth_service import queries
from auth_service.config import AuthSettings
from auth_service.demo.people import PREFIX
from auth_service.errors import NoPhoto
from auth_service.models import User
from auth_service.ui.blueprint import pages
from chassis.people import Role
from chassis.runtime import runtime

_YEAR = 365 * 24 * 3600


@dataclass(frozen=True)
class DemoParrot:
    """Somebody of the demo company, as the sign-in page shows them."""

    #: Names the photo.
    key: str
    name: str
    role: Role
    #: Where the small picture is.
    picture: str


def demo_parrots() -> list[DemoParrot]:
    """Return who can be borrowed, administrators first; nobody outside the demo company."""
    settings = _demo_settings()
    if settings is None:
        return []
    with runtime().database.reading() as reading:
        found = queries.imported_users(reading, PREFIX)
    order = list(Role)[::-1]
    parrots = []
    for user in sorted(found, key=lambda one: order.index(Role(one.role))):
        file = settings.small_beak(_key(user))
        if file.is_file() and settings.beak(_key(user)).is_file():
            picture = url_for("auth.demo_picture", key=_key(user), v=f"{file.stat().st_mtime_ns:x}")
            parrots.append(DemoParrot(_key(user), user.name, Role(user.role), picture))
    return parrots


def photo_of(key: str) -> bytes:
    """Return the photo of a demo parrot, a PNG. Raises NoPhoto if there is no such parrot."""
    settings = _demo_settings()
    if settings is None or key not in {parrot.key for parrot in demo_parrots()}:
        raise NoPhoto
    return settings.beak(key).read_bytes()


@pages.get("/sign-in/parrots/<key>.webp")
def demo_picture(key: str) -> Response:
    """The small picture of a demo parrot; its address changes when it does."""
    settings = _demo_settings()
    if settings is None:
        raise NotFound
    return send_from_directory(settings.beaks_dir.resolve(), settings.small_beak(key).name, max_age=_YEAR)


def _demo_settings() -> AuthSettings | None:
    settings = runtime().settings
    return settings if isinstance(settings, AuthSettings) and settings.demo else None


def _key(user: User) -> str:
    return (user.external_id or "").removeprefix(PREFIX)
