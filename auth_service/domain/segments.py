"""Parts a picture into areas of one colour, whatever the colours are.

Colours are compared in CIELAB, where a distance of about 2 is just visible.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.uint8]
Colours = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]

#: The longer side of the picture on which everything is measured, in pixels.
WORKING_SIDE = 400

#: Colours nearer than this are one colour: shading, noise and JPEG stay below it.
_ONE_COLOUR = 17.0
#: A colour on less than this share of the picture is noise.
_RARE = 0.001
_MOST_COLOURS = 14
#: The step to which colours are rounded before they are counted, and how many of the counted ones are looked at.
_BIN = 4.0
_TRIED = 2000


@dataclass(frozen=True)
class Areas:
    """A picture parted by colour."""

    #: The colours of the picture at working size, smoothed against noise only.
    lab: Colours
    #: Per pixel, the number of its colour.
    labels: Labels
    #: The colours by number, in CIELAB.
    palette: Colours

    @property
    def numbers(self) -> range:
        """The numbers of the colours."""
        return range(len(self.palette))


def part(picture: Picture) -> Areas:
    """Part an RGB picture of any size into areas; the result has the working size."""
    small = resized(picture, WORKING_SIDE)
    lab = to_lab(np.asarray(cv2.medianBlur(small, 3), dtype=np.uint8))
    calm = to_lab(calm_down(small))
    palette = _palette(calm)
    return Areas(lab, _label(calm, palette), palette)


def resized(picture: Picture, side: int) -> Picture:
    """Return the picture with its longer side of this many pixels."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), dtype=np.uint8)


def calm_down(picture: Picture) -> Picture:
    """Take out noise and what JPEG adds, keep the edges where they are."""
    return np.asarray(cv2.bilateralFilter(cv2.medianBlur(picture, 5), 7, 30, 5), dtype=np.uint8)


def to_lab(picture: Picture) -> Colours:
    """The colours in CIELAB: 0..100, and about -128..127 twice."""
    return np.asarray(cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), dtype=np.float32)


def _palette(lab: Colours) -> Colours:
    """The colours that the picture is made of, commonest first.

    The same picture always gives the same ones: nothing is drawn at random, as k-means would.
    """
    colours, weights = _histogram(lab)
    palette = colours[:1]
    for colour in colours[:_TRIED]:
        if len(palette) == _MOST_COLOURS:
            break
        if ((palette - colour) ** 2).sum(axis=1).min() > _ONE_COLOUR**2:
            palette = np.vstack([palette, colour])
    for _ in range(3):
        palette = _centred(palette, colours, weights)
    return palette


def _histogram(lab: Colours) -> tuple[Colours, Colours]:
    """The colours that occur, rounded, and how often each does, commonest first."""
    bins = np.round(lab.reshape(-1, 3) / _BIN).astype(np.int32) + 64
    codes, counts = np.unique(bins @ np.array([1 << 16, 1 << 8, 1], dtype=np.int32), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    codes = codes[order]
    rounded = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1) - 64
    return rounded.astype(np.float32) * _BIN, counts[order].astype(np.float32)


def _centred(palette: Colours, colours: Colours, weights: Colours) -> Colours:
    """Move every colour to the middle of those nearest to it, and drop the rare."""
    nearest = np.argmin(((colours[:, None] - palette[None]) ** 2).sum(axis=2), axis=1)
    total = weights.sum()
    moved = []
    for number in range(len(palette)):
        mine = nearest == number
        weight = weights[mine].sum()
        if weight >= _RARE * total:
            moved.append((colours[mine] * weights[mine, None]).sum(axis=0) / weight)
    return np.array(moved, dtype=np.float32) if moved else palette


def _label(lab: Colours, palette: Colours) -> Labels:
    """Give every pixel the nearest colour, then the one that most of its neighbours have."""
    # |x - c|^2 without |x|^2, which is the same for all colours: one multiplication of matrices.
    distances = (palette**2).sum(axis=1) - 2 * lab.reshape(-1, 3) @ palette.T
    raw = np.argmin(distances, axis=1).reshape(lab.shape[:2])
    votes = [cv2.GaussianBlur((raw == number).astype(np.float32), (0, 0), 1.6) for number in range(len(palette))]
    return np.asarray(np.argmax(np.stack(votes), axis=0), dtype=np.int32)
