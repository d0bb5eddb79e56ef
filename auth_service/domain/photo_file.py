"""What the file of a photo has to be, as far as its bytes tell before anything decodes them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from auth_service.errors import (
    BeakCutOff,
    BeakTooSmall,
    MovingPicture,
    NoBeakVisible,
    NotAPicture,
    PhotoBlurred,
    PhotoTooLarge,
    ServiceError,
    SeveralBeaks,
    TooMuchWork,
    UnsupportedPhoto,
)

#: Bytes of the file.
MAX_BYTES = 2 * 1024 * 1024
#: Pixels of the picture: a telephone's camera has 4032 x 3024.
MAX_PIXELS = 12_600_000
#: Scans of a JPEG. Each makes the decoder go through the whole picture again, and needs but a few bytes: 2 MB of them
#: kept a processor busy for 9 minutes. Encoders make about 10; a camera's file may have a second picture and a preview.
MAX_SCANS = 50

_MAGIC = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
_START_OF_SCAN = b"\xff\xda"


def too_large() -> PhotoTooLarge:
    """Return the refusal, which says what would be accepted."""
    return PhotoTooLarge(megabytes=MAX_BYTES // 2**20, megapixels=MAX_PIXELS // 1_000_000)


#: Every way to refuse a photo, by its kind.
REFUSALS: Mapping[str, Callable[[], ServiceError]] = MappingProxyType(
    {
        refusal().kind: refusal
        for refusal in (
            too_large,
            UnsupportedPhoto,
            NotAPicture,
            MovingPicture,
            TooMuchWork,
            NoBeakVisible,
            BeakTooSmall,
            BeakCutOff,
            PhotoBlurred,
            SeveralBeaks,
        )
    }
)


def check_file(data: bytes, content_type: str) -> None:
    """Raise UnsupportedPhoto, NotAPicture, PhotoTooLarge or TooMuchWork for what is not worth being decoded."""
    magic = _MAGIC.get(content_type)
    if magic is None:
        raise UnsupportedPhoto
    if not data.startswith(magic):
        raise UnsupportedPhoto if data.startswith(tuple(_MAGIC.values())) else NotAPicture
    if len(data) > MAX_BYTES:
        raise too_large()
    # Inside of a scan the two bytes cannot stand side by side, so no photo is refused for what it shows.
    if content_type == "image/jpeg" and data.count(_START_OF_SCAN) > MAX_SCANS:
        raise TooMuchWork
