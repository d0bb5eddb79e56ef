"""What is taken for a photo and what is not, and that the bytes cannot hurt."""

import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auth_service.domain.beak import distances
from auth_service.domain.photo import decode
from auth_service.domain.photo_file import MAX_BYTES
from auth_service.errors import MovingPicture, NotAPicture, PhotoTooLarge, UnsupportedPhoto
from tests.unit.auth_photos import JPEG, MAGIC, PNG, chunk, encoded, parrot, png_of_size, shape_of

ROOT = Path(__file__).parents[2]
KESHA = Image.fromarray(parrot("kesha"))
HEADER_END = len(MAGIC) + 25  # length, IHDR, 13 bytes, checksum


def with_chunk(kind: bytes, data: bytes) -> bytes:
    photo = encoded(KESHA)
    return photo[:HEADER_END] + chunk(kind, data) + photo[HEADER_END:]


@pytest.mark.parametrize("content_type", ["", "text/plain", "image/gif", "image/webp", "image/svg+xml"])
def test_only_png_and_jpeg_are_photos(content_type: str) -> None:
    with pytest.raises(UnsupportedPhoto):
        decode(encoded(KESHA), content_type)


@pytest.mark.parametrize(("kind", "claimed"), [("PNG", JPEG), ("JPEG", PNG)])
def test_a_photo_is_what_it_claims_to_be(kind: str, claimed: str) -> None:
    with pytest.raises(UnsupportedPhoto):
        decode(encoded(KESHA, kind), claimed)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        MAGIC,
        encoded(KESHA)[:4000],
        encoded(KESHA)[:60] + b"\xff\xff" + encoded(KESHA)[62:],
        encoded(KESHA, "GIF"),
        png_of_size(5, 5),
        png_of_size(100, 100, rows=b"no rows at all"),
        png_of_size(0, 100),
    ],
    ids=["nothing", "text", "magic", "half", "damaged", "gif", "tiny", "no rows", "no width"],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(NotAPicture):
        decode(data, PNG)


def test_every_way_of_cutting_a_photo_short_is_a_refusal_and_nothing_worse() -> None:
    for kind, content_type in (("PNG", PNG), ("JPEG", JPEG)):
        photo = encoded(KESHA, kind)
        for end in range(0, len(photo) - 12, 501):
            with pytest.raises(NotAPicture):
                decode(photo[:end], content_type)


def test_an_animation_is_refused() -> None:
    with pytest.raises(MovingPicture):
        decode(encoded(KESHA, save_all=True, append_images=[KESHA.rotate(5)]), PNG)


@pytest.mark.parametrize(
    "data",
    [
        MAGIC + bytes(MAX_BYTES),
        png_of_size(60_000, 60_000, rows=b""),
        png_of_size(4000, 4000, rows=b""),
        png_of_size(10_000, 100, rows=b""),
        png_of_size(2**31 - 1, 2**31 - 1, rows=b""),
    ],
    ids=["bytes", "bomb", "pixels", "side", "everything"],
)
def test_what_is_too_large_is_refused_before_it_is_decoded(data: bytes) -> None:
    with pytest.raises(PhotoTooLarge):
        decode(data, PNG)


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_a_bomb_in_the_metadata_does_not_go_off(kind: bytes) -> None:
    with pytest.raises(NotAPicture):
        decode(with_chunk(kind, b"a\0\0" + zlib.compress(bytes(200_000_000), 9)), PNG)


def test_a_flood_of_pixels_behind_a_small_header_is_not_unfolded(tmp_path: Path) -> None:
    flood = zlib.compressobj(9)
    rows = b"".join(flood.compress(bytes(1_000_000)) for _ in range(250)) + flood.flush()
    data = png_of_size(100, 100, rows=rows)
    assert len(data) < MAX_BYTES
    assert peak_megabytes(tmp_path, data) < 150


@pytest.mark.parametrize(("depth", "colour"), [(8, 2), (16, 6), (16, 0)])
def test_the_largest_photo_that_is_taken_needs_little_memory(tmp_path: Path, depth: int, colour: int) -> None:
    assert 20 < peak_megabytes(tmp_path, png_of_size(4096, 3072, depth=depth, colour=colour)) < 150


def peak_megabytes(tmp_path: Path, photo: bytes) -> float:
    """How much a process of its own needs on top to decode the photo."""
    file = tmp_path / "photo.png"
    file.write_bytes(photo)
    # Not getrusage: what it tells of a new process includes the peak of the one that started it.
    program = (
        "import re, sys\n"
        "from auth_service.domain.photo import decode\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024\n"
        "before = peak()\n"
        "decode(data, 'image/png')\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def transparent(mode: str = "RGBA") -> Image.Image:
    pixels = np.asarray(KESHA.convert("RGBA")).copy()
    background = np.abs(pixels[..., :3].astype(int) - pixels[2, 2, :3]).sum(axis=2) < 12
    pixels[background] = 0
    return Image.fromarray(pixels).convert(mode)


KINDS = {
    "palette": (encoded(KESHA.quantize(64)), PNG),
    "grey": (encoded(KESHA.convert("L")), PNG),
    "16 bits": (encoded(Image.fromarray(np.asarray(KESHA.convert("L")).astype(np.uint16) * 257)), PNG),
    "alpha": (encoded(transparent()), PNG),
    "grey alpha": (encoded(transparent("LA")), PNG),
    "palette alpha": (encoded(transparent().quantize(64)), PNG),
    "jpeg": (encoded(KESHA, "JPEG", quality=60), JPEG),
    "progressive": (encoded(KESHA, "JPEG", progressive=True), JPEG),
    "grey jpeg": (encoded(KESHA.convert("L"), "JPEG"), JPEG),
    "cmyk": (encoded(KESHA.convert("CMYK"), "JPEG"), JPEG),
    "camera": (encoded(KESHA, "MPO", save_all=True, append_images=[KESHA]), JPEG),
    "12 megapixels": (encoded(KESHA.resize((3500, 3500)), "JPEG", quality=80), JPEG),
}


@pytest.mark.parametrize(("data", "content_type"), KINDS.values(), ids=KINDS.keys())
def test_a_beak_is_the_same_beak_in_every_kind_of_file(data: bytes, content_type: str) -> None:
    picture = decode(data, content_type)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert max(picture.shape) <= 1280
    assert distances(shape_of(picture), shape_of(parrot("kesha"))[None])[0] < 0.02


@pytest.mark.parametrize(("kind", "content_type"), [("JPEG", JPEG), ("PNG", PNG)])
def test_a_photo_held_sideways_is_turned_upright(kind: str, content_type: str) -> None:
    portrait = KESHA.resize((300, 400))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn clockwise to see it upright
    sideways = encoded(portrait.rotate(90, expand=True), kind, exif=exif)
    upright = decode(sideways, content_type)
    assert upright.shape == (400, 300, 3)
    assert np.abs(upright.astype(int) - np.asarray(portrait)).mean() < 3
