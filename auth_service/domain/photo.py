"""From the bytes of a photo to pixels, without trusting a single one of the bytes.

Sizes are checked before anything is decoded: a PNG of half a megabyte can unfold to gigabytes. What cannot be seen in
advance is bounded from outside: auth_service/decoder does this in a process that may use up only so much.
"""

from io import BytesIO

import numpy as np
from PIL import Image, ImageOps

from auth_service.domain.photo_file import MAX_PIXELS, check_file, too_large
from auth_service.domain.segments import Picture
from auth_service.errors import MovingPicture, NotAPicture, PhotoTooLarge, TooMuchWork, UnusablePhoto

MAX_SIDE = 8192
_MIN_SIDE = 32
#: Nothing is looked at more closely than this, so the rest is dropped while decoding.
_USEFUL_SIDE = 1280

#: MPO is what cameras make of a JPEG that has a preview attached; the first picture is the photo.
_FORMATS = ("PNG", "JPEG", "MPO")


def decode(data: bytes, content_type: str) -> Picture:
    """Return the photo as RGB, upright, with all metadata gone, at most _USEFUL_SIDE pixels wide and high.

    Raises UnsupportedPhoto, PhotoTooLarge, TooMuchWork, NotAPicture or MovingPicture.
    """
    check_file(data, content_type)
    try:
        with _open(data) as image:
            image.verify()
        with _open(data) as image:  # verify() leaves an image that cannot be used any more
            return _pixels(image)
    except (UnusablePhoto, PhotoTooLarge):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large() from error
    except MemoryError as error:
        raise TooMuchWork from error
    except Exception as error:  # there is hardly anything that a forged file cannot make a decoder raise
        raise NotAPicture from error


def _open(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data), formats=_FORMATS)
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise too_large()
    if min(width, height) < _MIN_SIDE:
        raise NotAPicture
    if getattr(image, "is_animated", False) and image.format == "PNG":
        raise MovingPicture
    return image


def _pixels(image: Image.Image) -> Picture:
    image.draft("RGB", (_USEFUL_SIDE, _USEFUL_SIDE))  # a large JPEG is decoded at a fraction of its size
    if image.mode.startswith("I"):
        image = _sixteen_to_eight_bits(image)
    elif image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("RGBA" if "A" in image.mode or "transparency" in image.info else "RGB")
    elif "transparency" in image.info:
        image = image.convert("RGBA")
    image.thumbnail((_USEFUL_SIDE, _USEFUL_SIDE), Image.Resampling.BOX)
    upright = ImageOps.exif_transpose(image)
    return np.asarray(_on_white(upright))


def _sixteen_to_eight_bits(image: Image.Image) -> Image.Image:
    """Pillow would cut off grey values above 255 instead of scaling them."""
    grey = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    grey.info.update(image.info)
    return grey


def _on_white(image: Image.Image) -> Image.Image:
    """What can be seen through is white paper."""
    if image.mode == "RGBA":
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image).convert("RGB")
    return image.convert("RGB")
