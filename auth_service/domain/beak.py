"""The shape of a beak as numbers.

A shape is its outline as a closed curve in the complex plane. Its Fourier coefficients, without the constant one
(the place) and divided by their length (the size), describe it. Two descriptors are compared over every rotation
and every starting point at once: by the greatest value of their circular correlation. A mirrored beak is another
one: nobody's beak grows to the other side.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # opencv, which that module needs, is loaded where pictures are looked at and nowhere else
    from auth_service.domain.outlines import Outline

Descriptor = npt.NDArray[np.complex64]
Distances = npt.NDArray[np.float32]

#: Frequencies kept on either side of zero: enough for a hook and a knob, too few for noise.
_FREQUENCIES = 16
_NUMBERS = np.concatenate([np.arange(1, _FREQUENCIES + 1), np.arange(-_FREQUENCIES, 0)])
#: High frequencies tell beaks apart better than their size says, but noise lives there too. Of the powers
#: 0, 0.25, 0.5, 0.75, 1 of the frequency, 0.5 and 0.75 part own photos from others' best.
_WEIGHTS = np.sqrt(np.abs(_NUMBERS))
#: Complex numbers in a descriptor.
LENGTH = len(_NUMBERS)

_POINTS = 256
#: Starting points that are tried. With half as many, the steps between them alone put equal shapes 0.014 apart.
_STARTS = 256


def describe(outline: "Outline") -> Descriptor:
    """Describe a closed outline, given as points (x, y) in order."""
    points = outline[:, 0] + 1j * outline[:, 1]
    if _signed_area(points) < 0:
        points = points[::-1]
    weighted = np.fft.fft(_evenly(points))[_NUMBERS] * _WEIGHTS
    return np.asarray(weighted / np.linalg.norm(weighted), dtype=np.complex64)


def distances(descriptor: Descriptor, others: npt.NDArray[np.complex64]) -> Distances:
    """How far the descriptor is from each row of the others: 0 the same shape, about 1 nothing in common."""
    products = np.zeros((len(others), _STARTS), dtype=np.complex64)
    products[:, _NUMBERS] = others.conj() * descriptor
    correlation = np.abs(np.fft.ifft(products, axis=1)).max(axis=1) * _STARTS
    return np.asarray(np.sqrt(np.maximum(0, 2 - 2 * correlation)), dtype=np.float32)


def to_bytes(descriptor: Descriptor) -> bytes:
    """As it is stored: LENGTH pairs of little-endian 4-byte floats."""
    return descriptor.astype("<c8").tobytes()


def from_bytes(stored: bytes) -> Descriptor:
    """Read what `to_bytes` made."""
    return np.frombuffer(stored, dtype="<c8").astype(np.complex64)


def _signed_area(points: npt.NDArray[np.complex128]) -> float:
    return float((points.conj() * np.roll(points, -1)).imag.sum())


def _evenly(points: npt.NDArray[np.complex128]) -> npt.NDArray[np.complex128]:
    """Points at equal distances along the curve."""
    closed = np.append(points, points[0])
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(closed)))])
    wanted = np.arange(_POINTS) * along[-1] / _POINTS
    x, y = np.interp(wanted, along, closed.real), np.interp(wanted, along, closed.imag)
    return np.asarray(x + 1j * y, dtype=np.complex128)
