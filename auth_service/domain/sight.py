"""Finds the one beak in a picture, or says why there is none that could be used.

A beak is a solid area of one colour with a sharp edge all around it, inside the picture, that nothing else in the
picture rivals in size. What has an eye in it is a head, what is round is an eye, what surrounds others is a
background, and a plain rectangle is a sheet of paper.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from auth_service.domain.closeup import trace_closely
from auth_service.domain.edges import edge_along
from auth_service.domain.outlines import Outline, area_of, outer_points, smooth
from auth_service.domain.segments import Areas, Labels, Mask, Picture, part
from auth_service.errors import BeakCutOff, BeakTooSmall, NoBeakVisible, PhotoBlurred, SeveralBeaks

#: Shares of the whole picture.
_NOTICEABLE = 0.002
_SMALLEST = 0.012
_LARGEST = 0.55
#: Area by the area of the convex hull. Hooked beaks have 0.69 and more, the background around a bird less than 0.6.
_SOLID = 0.64
#: 4 pi area / perimeter squared; 1 for a circle.
_ROUND = 0.93
#: Area by the area of the smallest rectangle around it; 1 for a rectangle.
_RECTANGULAR = 0.96
#: A hole of this share of the shape may be an eye.
_EYE = 0.01
#: Colours on less than these shares of what is around a shape, or in its holes, do not count.
_FREQUENT_AROUND = 0.1
_FREQUENT_INSIDE = 0.05
#: The share of the outline on the picture's border: more is a background or a body that runs out of the picture.
_MOSTLY_OUTSIDE = 0.3
#: The least difference of colour across the edge, in CIELAB.
_CONTRAST = 12.0
#: The widest edge in pixels of the working size: wider is out of focus (a Gaussian of about 4 pixels).
_WIDEST_EDGE = 7.5
#: A second shape of this share of the first leaves it open which is the beak.
_RIVAL = 0.6


@dataclass(frozen=True)
class _Shape:
    """An area that could be a beak by its form."""

    outline: Outline
    #: Share of the picture.
    area: float
    cut_off: bool
    sharp: bool
    #: Its colour, and those around it, by number.
    colour: int
    around: frozenset[int]


def find_beak(picture: Picture) -> Outline:
    """Return the outline of the beak in an RGB picture; raise the UnusablePhoto that says why it cannot be done."""
    areas = part(picture)
    shapes = sorted(_shapes(areas), key=lambda shape: -shape.area)
    whole = [shape for shape in shapes if not shape.cut_off]
    if shapes and shapes[0].cut_off and shapes[0].area >= _SMALLEST:
        raise BeakCutOff
    if not whole:
        raise NoBeakVisible
    beak = whole[0]
    if beak.area < _SMALLEST:
        raise BeakTooSmall
    if not beak.sharp:
        raise PhotoBlurred
    if len(whole) > 1 and whole[1].area > _RIVAL * beak.area:
        raise SeveralBeaks
    return trace_closely(picture, areas, beak.outline, colour=beak.colour, around=beak.around)


def _shapes(areas: Areas) -> Iterator[_Shape]:
    for number in areas.numbers:
        mask = (areas.labels == number).astype(np.uint8)
        count, parts, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        for index in range(1, count):
            if boxes[index, cv2.CC_STAT_AREA] >= _NOTICEABLE * mask.size:
                shape = _shape((parts == index).astype(np.uint8), number, areas)
                if shape is not None:
                    yield shape


def _shape(mask: Mask, colour: int, areas: Areas) -> _Shape | None:
    """Judge one area by its form; None if it is no beak whatever else is in the picture."""
    points = outer_points(mask)
    outline = smooth(points)
    filled = np.asarray(cv2.drawContours(np.zeros_like(mask), [points], -1, 1, cv2.FILLED), dtype=np.uint8)
    around = _around(filled, areas.labels) - {colour}
    outside = _share_on_border(points, mask)
    if (
        outside > _MOSTLY_OUTSIDE
        or not around
        or not _formed_like_a_beak(outline, mask.size)
        or _has_eye(mask, filled, around, areas.labels)
    ):
        return None
    edge = edge_along(outline, areas.lab)
    if edge.contrast < _CONTRAST:
        return None
    return _Shape(
        outline=outline,
        area=area_of(outline) / mask.size,
        cut_off=outside > 0,
        sharp=edge.width <= _WIDEST_EDGE,
        colour=colour,
        around=around,
    )


def _formed_like_a_beak(outline: Outline, picture_area: int) -> bool:
    area, corners = area_of(outline), outline.astype(np.float32)
    hull, perimeter = cv2.contourArea(cv2.convexHull(corners)), cv2.arcLength(corners, closed=True)
    width, height = cv2.minAreaRect(corners)[1]
    return (
        0 < area <= _LARGEST * picture_area
        and area >= _SOLID * hull
        and 4 * np.pi * area <= _ROUND * perimeter**2
        and area <= _RECTANGULAR * width * height
    )


def _around(filled: Mask, labels: Labels) -> frozenset[int]:
    """The colours that surround a shape."""
    ring = cv2.subtract(cv2.dilate(filled, np.ones((9, 9), np.uint8)), filled)
    return _frequent(labels[ring > 0], _FREQUENT_AROUND)


def _has_eye(mask: Mask, filled: Mask, around: frozenset[int], labels: Labels) -> bool:
    """A hole that shows something else than what surrounds the shape; the background in an open bill does not."""
    holes = cv2.subtract(filled, mask)
    least = _EYE * cv2.countNonZero(filled)
    if cv2.countNonZero(holes) < least:
        return False
    count, parts, boxes, _ = cv2.connectedComponentsWithStats(holes, connectivity=8)
    seen = [
        _frequent(labels[parts == index], _FREQUENT_INSIDE)
        for index in range(1, count)
        if boxes[index, cv2.CC_STAT_AREA] >= least
    ]
    return any(len(colours) > 1 or not colours <= around for colours in seen)


def _frequent(labels: Labels, share: float) -> frozenset[int]:
    values, counts = np.unique(labels, return_counts=True)
    found = zip(values, counts, strict=True)
    return frozenset(int(value) for value, count in found if count >= share * len(labels))


def _share_on_border(points: Labels, mask: Mask) -> float:
    height, width = mask.shape
    x, y = points[:, 0], points[:, 1]
    return float(((x == 0) | (y == 0) | (x == width - 1) | (y == height - 1)).mean())
