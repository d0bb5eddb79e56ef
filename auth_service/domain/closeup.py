"""A closer look at what was found: the same number of pixels for a beak near by and for one far away."""

from collections.abc import Iterable

import cv2
import numpy as np

from auth_service.domain.outlines import Outline, area_of, outer_points, smooth
from auth_service.domain.segments import Areas, Colours, Picture, calm_down, resized, to_lab

#: The longer side of the closer look, in pixels.
_SIDE = 320
#: Left around the beak, as a share of its longer side.
_MARGIN = 0.12
#: Takes out single pixels, in pixels.
_BLUR = 2.0
#: The mask is enlarged by this before it is traced, for steps smaller than a pixel.
_FINER = 2
#: The traced area may differ by this share from the one that was found first.
_SAME = 0.2
#: The distance from the line between two colours up to which a colour is a mix of the two, in CIELAB.
_MIXED = 12.0


def trace_closely(picture: Picture, areas: Areas, outline: Outline, *, colour: int, around: Iterable[int]) -> Outline:
    """Trace the area of this colour once more in the picture itself, against the colours around it.

    `outline` says where it is, in pixels of the working size. Should the closer look show something else,
    `outline` itself is the result; a shape has no size, so the pixels may be of either.
    """
    scale = max(picture.shape[:2]) / max(areas.labels.shape)
    cut = _cut_out(picture, outline * scale)
    lab = to_lab(calm_down(resized(cut, _SIDE)))
    own = ((lab - areas.palette[colour]) ** 2).sum(axis=2)
    others = np.min([((lab - other) ** 2).sum(axis=2) for other in _unmixed(areas.palette, colour, around)], axis=0)
    share = cv2.GaussianBlur((own < others).astype(np.float32), (0, 0), _BLUR)
    mask = (cv2.resize(share, None, fx=_FINER, fy=_FINER, interpolation=cv2.INTER_LINEAR) > 0.5).astype(np.uint8)
    if not mask.any():
        return outline
    traced = smooth(outer_points(mask))
    enlarged = scale * _FINER * _SIDE / max(cut.shape[:2])
    difference = area_of(traced) / (area_of(outline) * enlarged**2) - 1
    return traced if abs(difference) < _SAME else outline


def _unmixed(palette: Colours, colour: int, around: Iterable[int]) -> list[Colours]:
    """The colours around, without those that are a mix of one of them with the shape's own: a soft edge, no area."""
    own, others = palette[colour], [palette[number] for number in around]
    return [other for other in others if not any(_is_mix(other, own, third) for third in others)]


def _is_mix(middle: Colours, one: Colours, other: Colours) -> bool:
    line = other - one
    length = float(line @ line)
    share = float((middle - one) @ line) / length if length else 0.0
    off = float(np.linalg.norm(middle - one - share * line))
    return 0.1 < share < 0.9 and off < _MIXED


def _cut_out(picture: Picture, outline: Outline) -> Picture:
    (left, top), (right, bottom) = outline.min(axis=0), outline.max(axis=0)
    margin = _MARGIN * max(right - left, bottom - top)
    return picture[
        max(0, int(top - margin)) : int(bottom + margin) + 1, max(0, int(left - margin)) : int(right + margin) + 1
    ]
