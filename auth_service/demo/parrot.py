"""Draws a parrot whose beak nobody else has. The same key always gives the same picture."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageDraw

from auth_service.demo.outline import BeakOutline, Point

#: Width and height of the picture in pixels.
SIZE = 480
#: Drawn this many times larger and reduced: Pillow does not smooth edges by itself.
_SMOOTHING = 3

#: As many as smooth edges need; more would only make the file larger.
_COLOURS = 64

_HEAD = (196.0, 212.0)
_HEAD_RADIUS = 112.0
#: Makes a hook thick enough to be seen in a small photo.
_RIM = 5


@dataclass(frozen=True)
class Palette:
    """The colours of one parrot. The beak stands out from everything that it touches."""

    background: str
    feathers: str
    crest: str
    beak: str
    iris: str


PALETTES = (
    Palette("#cfe8dc", "#2f8f5b", "#d8433b", "#e8a33d", "#d9822b"),
    Palette("#dbe4f3", "#2f63b8", "#e0a92e", "#33373d", "#c98b1b"),
    Palette("#e9e2c8", "#c23a34", "#2d6fb3", "#3a3434", "#3d7a4c"),
    Palette("#d6ddea", "#7a4fa3", "#3aa17e", "#e2b04a", "#c2572b"),
    Palette("#d9d3e8", "#d9a521", "#d05a2b", "#4a3f52", "#2f7fa8"),
    Palette("#cfe3ea", "#d8663c", "#8a2f4d", "#4b4a3e", "#3c8a5e"),
    Palette("#e6d8cf", "#1f8a8a", "#e3b23c", "#d94f3d", "#b5761c"),
    Palette("#d7e6cb", "#5b6470", "#d64545", "#dfa06a", "#c7a02c"),
    Palette("#e8dcc3", "#3b7d3a", "#6a3fa0", "#d6532f", "#c98b1b"),
    Palette("#d3dff0", "#b8476b", "#3d5fa8", "#e3b55a", "#4d8f3f"),
)


def draw_parrot(key: str) -> bytes:
    """Return the PNG of the parrot of this key, looking straight at the photographer's left or right."""
    side = SIZE * _SMOOTHING
    picture = Image.new("RGB", (side, side))
    palette = PALETTES[int(dice(key, "palette") * len(PALETTES))]
    _Painter(picture, palette, key).paint()
    if dice(key, "side") < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    file = BytesIO()
    small = picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    small.quantize(_COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def dice(key: str, what: str) -> float:
    """A number in [0, 1) that depends on nothing but the key and what it is for."""
    digest = hashlib.sha256(f"{key}/{what}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


class _Painter:
    """Paints back to front: background, body, crest, head, eye, beak."""

    def __init__(self, picture: Image.Image, palette: Palette, key: str) -> None:
        self.pen = ImageDraw.Draw(picture)
        self.palette = palette
        self.key = key

    def paint(self) -> None:
        self.pen.rectangle((0, 0, SIZE * _SMOOTHING, SIZE * _SMOOTHING), fill=self.palette.background)
        self._crest()
        self._body()
        self._oval(_HEAD, _HEAD_RADIUS, _HEAD_RADIUS * 0.98, self.palette.feathers)
        self._plumage()
        self._eye()
        self._beak()

    def _body(self) -> None:
        self._oval((150, 500), 205, 250, self.palette.feathers)

    def _plumage(self) -> None:
        """Rows of feather tips, a shade off: seen by people, too faint to be taken for a shape."""
        tips = _shade(self.palette.feathers, 0.93)
        for row in range(3):
            for column in range(-3, 4):
                x = 140 + column * 46 + (row % 2) * 23
                y = 372 + row * 38
                if (x - 150) ** 2 / 165**2 + (y - 500) ** 2 / 205**2 < 1:
                    self._arc((x, y), 20, tips)

    def _crest(self) -> None:
        feathers = 3 + int(dice(self.key, "crest feathers") * 3)
        length = 48 + 34 * dice(self.key, "crest length")
        for number in range(feathers):
            angle = math.radians(100 + 17 * number)
            root = (_HEAD[0] + 96 * math.cos(angle), _HEAD[1] - 96 * math.sin(angle))
            tip = length * (1 - 0.1 * abs(number - 1))
            self._feather(root, angle, tip)

    def _feather(self, root: Point, angle: float, length: float) -> None:
        along = (math.cos(angle), -math.sin(angle))
        across = (-along[1], along[0])
        points = []
        for step in range(25):
            turn = 2 * math.pi * step / 24
            forward = length * (0.5 - 0.62 * math.cos(turn))
            aside = 13 * math.sin(turn) * (1 - 0.25 * math.cos(turn))
            points.append(
                (root[0] + along[0] * forward + across[0] * aside, root[1] + along[1] * forward + across[1] * aside)
            )
        self._shape(points, self.palette.crest)

    def _eye(self) -> None:
        x, y = _HEAD[0] - 8, _HEAD[1] - 44
        self._oval((x, y), 37, 35, "#f4f1e8")
        self._oval((x + 3, y), 22, 22, self.palette.iris)
        self._oval((x + 5, y), 12, 12, "#22201e")
        self._oval((x + 9, y - 5), 4, 4, "#ffffff")

    def _beak(self) -> None:
        outline = BeakOutline.from_dice(lambda what: dice(self.key, what))
        for part in outline.parts():
            self._shape(part, self.palette.beak, rim=_RIM)
        self._shape(outline.lower_shadow(), _shade(self.palette.beak, 0.93))
        self._oval(outline.nostril(), 6, 4, _shade(self.palette.beak, 0.8))

    def _shape(self, points: Sequence[Point], colour: str, rim: int = 0) -> None:
        """Fill a closed curve, and paint a rim around it, which makes its tips blunt."""
        corners = [(x * _SMOOTHING, y * _SMOOTHING) for x, y in points]
        self.pen.polygon(corners, fill=colour)
        if rim:
            self.pen.line([*corners, corners[0]], fill=colour, width=2 * rim * _SMOOTHING)
            for point in points:  # closes the gaps where the thick line bends
                self._oval(point, rim, rim, colour)

    def _oval(self, centre: Point, half_width: float, half_height: float, colour: str) -> None:
        left, right = centre[0] - half_width, centre[0] + half_width
        top, bottom = centre[1] - half_height, centre[1] + half_height
        self.pen.ellipse([value * _SMOOTHING for value in (left, top, right, bottom)], fill=colour)

    def _arc(self, centre: Point, radius: float, colour: str) -> None:
        box = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
        self.pen.arc([value * _SMOOTHING for value in box], 20, 160, fill=colour, width=4 * _SMOOTHING)


def _shade(colour: str, factor: float) -> str:
    channels = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{min(255, round(value * factor)):02x}" for value in channels)
