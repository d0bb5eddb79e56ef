"""Puts the demo company into the database, through the same commands as everybody else, so that its events go out.

Its photos can be drawn by whoever has this program: it has no place where nobody wants a demo.
"""

from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from auth_service import commands, queries
from auth_service.config import AuthSettings
from auth_service.demo.parrot import draw_parrot
from auth_service.demo.people import PEOPLE, DemoPerson
from auth_service.domain.beak import from_bytes
from auth_service.domain.gallery import Gallery
from auth_service.errors import BeakTaken, UnknownBeak
from auth_service.models import Beak, User
from auth_service.queries import BeakMemory
from chassis.db import Database
from chassis.files import private_folder

_PNG = "image/png"
#: Drawn anew so often, at most, when somebody has such a beak already.
_ATTEMPTS = 20
#: Width and height of a small picture in pixels, so that it is sharp at half of that on a telephone.
_SMALL = 160


def seed(settings: AuthSettings, database: Database) -> list[dict[str, str]]:
    """Register who is missing, and return everybody with the photo that signs them in.

    Who is there already stays as they are, beak, name and role; a photo that was lost is drawn again. Beside each photo
    lies a small picture of it, for the sign-in page.
    """
    private_folder(settings.beaks_dir)
    memory = BeakMemory()
    entries = []
    for person in PEOPLE:
        with database.transaction() as session:
            user = _registered(session, person)
            photo = _photo(session, memory, user, settings.beak(person.key))
            _make_small(photo, settings.small_beak(person.key))
            entries.append(
                {"id": str(user.id), "name": user.name, "email": user.email, "role": user.role, "beak": str(photo)}
            )
    return entries


def shut_out(database: Database) -> None:
    """Withdraw the beaks that whoever has this program can draw. People and their work stay, and so do other beaks."""
    for person in PEOPLE:
        with database.transaction() as session:
            user = _find(session, person)
            if user is not None and queries.has_beak(session, user.id) and _is_drawn(session, user, person):
                commands.withdraw_beak(session, user.id)


def _is_drawn(session: Session, user: User, person: DemoPerson) -> bool:
    """Tell whether any of the person's drawings opens the door."""
    beak = session.get_one(Beak, user.id)
    alone = Gallery().with_beaks([(user.id, from_bytes(beak.descriptor))], revision=beak.revision)
    return any(_opens(alone, photo) for photo in _drawings(person.key))


def _opens(gallery: Gallery, photo: bytes) -> bool:
    try:
        gallery.recognise(commands.look_at(photo, _PNG))
    except UnknownBeak:
        return False
    return True


def _drawings(key: str) -> Iterator[bytes]:
    """Draw the person's parrot, and then the others that may have to take its place."""
    yield draw_parrot(key)
    for attempt in range(2, _ATTEMPTS + 1):
        yield draw_parrot(f"{key}/{attempt}")


def _find(session: Session, person: DemoPerson) -> User | None:
    return session.scalar(select(User).where(User.external_id == person.external_id))


def _registered(session: Session, person: DemoPerson) -> User:
    return _find(session, person) or commands.create_user(
        session, name=person.name, email=person.email, role=person.role, external_id=person.external_id
    )


def _photo(session: Session, memory: BeakMemory, user: User, file: Path) -> Path:
    """Enrol the beak and keep its photo. Should somebody else have such a beak, another one is drawn."""
    if file.exists() and queries.has_beak(session, user.id):
        return file.resolve()
    for attempt, photo in enumerate(_drawings(file.stem), start=1):
        try:
            with session.begin_nested():
                commands.enrol_beak(session, memory, user.id, commands.look_at(photo, _PNG))
        except BeakTaken:
            if attempt == _ATTEMPTS:
                raise
        else:
            break
    file.write_bytes(photo)
    return file.resolve()


def _make_small(photo: Path, file: Path) -> None:
    if file.exists() and file.stat().st_mtime_ns >= photo.stat().st_mtime_ns:
        return
    with Image.open(photo) as picture:
        picture.convert("RGB").resize((_SMALL, _SMALL), Image.Resampling.LANCZOS).save(file, "WEBP", quality=60)
