"""Outlines: closed rows of points (x, y) around an area."""

import cv2
import numpy as np
import numpy.typing as npt

from auth_service.domain.segments import Labels, Mask

Outline = npt.NDArray[np.float64]

_REACH = 7
_SIGMA = 2.0


def outer_points(mask: Mask) -> Labels:
    """The pixels on the outer edge of the largest area of the mask, in order."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(max(contours, key=cv2.contourArea)[:, 0, :], dtype=np.int32)


def smooth(points: Labels) -> Outline:
    """The outline without the stairs of the pixels."""
    kernel = cv2.getGaussianKernel(2 * _REACH + 1, _SIGMA)[:, 0]
    closed = np.pad(points.astype(np.float64), ((_REACH, _REACH), (0, 0)), mode="wrap")
    return np.stack([np.convolve(closed[:, axis], kernel, "valid") for axis in (0, 1)], axis=1)


def area_of(outline: Outline) -> float:
    """The area inside, in square pixels."""
    return float(cv2.contourArea(outline.astype(np.float32)))
