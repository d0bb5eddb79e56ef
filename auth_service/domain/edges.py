"""How an outline stands out from what is around it: by how much, and how sharply."""

from dataclasses import dataclass

import cv2
import numpy as np

from auth_service.domain.outlines import Outline
from auth_service.domain.segments import Colours

_SAMPLES = 96
#: How far from the outline colours are looked at, in pixels of the working size.
_REACH = 11
_ENDS = 3


@dataclass(frozen=True)
class Edge:
    """The typical edge along an outline: the median, because a sharp tip or a touching neighbour says little."""

    #: Difference of colour between inside and outside, in CIELAB.
    contrast: float
    #: Pixels of the working size that the colour takes to change.
    width: float


def edge_along(outline: Outline, lab: Colours) -> Edge:
    """Look at the colours on short lines across the outline, which is a closed row of points (x, y)."""
    profiles = _profiles(outline, lab)
    near, far = profiles[:, :_ENDS].mean(axis=1), profiles[:, -_ENDS:].mean(axis=1)
    step = far - near
    contrast = np.linalg.norm(step, axis=1)
    distinct = contrast > 1
    if not distinct.any():
        return Edge(0.0, 0.0)
    share = ((profiles - near[:, None]) * step[:, None]).sum(axis=2)[distinct] / contrast[distinct, None] ** 2
    between = ((share > 0.15) & (share < 0.85)).sum(axis=1)
    return Edge(float(np.median(contrast)), float(np.median(between)))


def _profiles(outline: Outline, lab: Colours) -> Colours:
    """Colours from _REACH pixels on one side of the outline to _REACH on the other, per sample."""
    chosen = np.linspace(0, len(outline), _SAMPLES, endpoint=False).astype(int)
    ahead, behind = np.roll(outline, -4, axis=0)[chosen], np.roll(outline, 4, axis=0)[chosen]
    along = ahead - behind
    along /= np.maximum(1e-6, np.linalg.norm(along, axis=1, keepdims=True))
    normals = np.stack([-along[:, 1], along[:, 0]], axis=1)
    offsets = np.arange(-_REACH, _REACH + 1, dtype=np.float32)
    places = outline[chosen][:, None] + normals[:, None] * offsets[None, :, None]
    seen = cv2.remap(
        lab,
        places[..., 0].astype(np.float32),
        places[..., 1].astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(seen, dtype=np.float32)
