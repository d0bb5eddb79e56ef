"""Photos for the tests of auth: parrots as a careless photographer would take them, and files that are none."""

import struct
import zlib
from functools import cache
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from PIL import Image

from auth_service.demo.parrot import draw_parrot
from auth_service.domain.beak import Descriptor, describe
from auth_service.domain.segments import Picture
from auth_service.domain.sight import find_beak

PNG, JPEG = "image/png", "image/jpeg"
MAGIC = b"\x89PNG\r\n\x1a\n"


@cache
def parrot(key: str) -> Picture:
    """The pixels of the parrot of this key."""
    return np.asarray(Image.open(BytesIO(draw_parrot(key))).convert("RGB"))


def shape_of(picture: Picture) -> Descriptor:
    """The descriptor of the beak in a picture."""
    return describe(find_beak(picture))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The file of an image."""
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def snapshot(picture: Picture, random: np.random.Generator) -> Picture:
    """The picture turned by up to 20 degrees, nearer or farther, darker or lighter, noisy, and saved as a poor JPEG."""
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), random.uniform(-20, 20), random.uniform(0.65, 1.08))
    floor = tuple(int(value) for value in picture[2, 2])
    turned = cv2.warpAffine(picture, turn, (width, height), flags=cv2.INTER_AREA, borderValue=floor)
    lit = turned * random.uniform(0.65, 1.25) + random.normal(0, random.uniform(0, 12), turned.shape)
    shown = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
    side = int(random.choice([360, 480, 640]))
    file = encoded(shown.resize((side, side), Image.Resampling.BICUBIC), "JPEG", quality=60)
    return np.asarray(Image.open(BytesIO(file)))


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_size(width: int, height: int, *, depth: int = 8, colour: int = 2, rows: bytes | None = None) -> bytes:
    """A black PNG of these measures; `rows` are its pixels, compressed."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    if rows is None:
        rows = zlib.compress((b"\0" + bytes(width * channels * depth // 8)) * height, 9)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return MAGIC + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
