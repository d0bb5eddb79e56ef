"""The outline of a drawn beak: an upper half with a hook, a lower half, and what makes each one unlike the others."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

Point = tuple[float, float]

#: Where beak and head meet, in pixels of the picture.
_ROOT = (272.0, 214.0)


@dataclass(frozen=True, kw_only=True)
class BeakOutline:
    """Measures in pixels of the picture; x runs to the tip, y downwards, the origin is the middle of the root."""

    length: float
    upper_depth: float
    lower_depth: float
    #: How far the back of the beak arches above a straight line, near the root and near the tip.
    arch_near: float
    arch_far: float
    #: How far the tip hangs below the root's middle, and how far it curls back.
    tip_drop: float
    tip_curl: float
    #: The upper edge of the opened bill: where it is deepest, as a share of the length, and how deep.
    gape_at: float
    gape_depth: float
    lower_length: float
    lower_belly: float
    lower_rise: float
    #: The knob on the back: place as a share of the length, height and half width.
    knob_at: float
    knob_height: float
    knob_width: float

    @classmethod
    def from_dice(cls, dice: Callable[[str], float]) -> Self:
        """Draw every measure on its own: two beaks are alike only if all of them are."""

        def between(low: float, high: float, what: str) -> float:
            return low + (high - low) * dice(f"beak {what}")

        length = between(118, 172, "length")
        return cls(
            length=length,
            upper_depth=between(42, 86, "upper depth"),
            lower_depth=between(24, 80, "lower depth"),
            arch_near=between(-10, 46, "arch near"),
            arch_far=between(-4, 46, "arch far"),
            tip_drop=between(-10, 98, "tip drop"),
            tip_curl=length * between(-0.08, 0.14, "tip curl"),
            gape_at=between(0.32, 0.68, "gape place"),
            gape_depth=between(-18, 20, "gape depth"),
            lower_length=between(0.3, 0.6, "lower length"),
            lower_belly=between(0, 40, "lower belly"),
            lower_rise=between(-10, 40, "lower rise"),
            knob_at=between(0.12, 0.78, "knob place"),
            knob_height=max(0.0, between(-14, 50, "knob height")),
            knob_width=between(14, 30, "knob width"),
        )

    def parts(self) -> list[list[Point]]:
        """The closed shapes that together make the beak."""
        return [_placed(self._upper()), _placed(self._lower())]

    def lower_shadow(self) -> list[Point]:
        """The lower half a little smaller, to be painted a shade darker."""
        middle = (self.length * self.lower_length * 0.42, self.lower_depth * 0.45)
        return _placed([_towards(point, middle, 0.3) for point in self._lower()])

    def nostril(self) -> Point:
        """The middle of the nostril."""
        return (_ROOT[0] + 30, _ROOT[1] - self.upper_depth * 0.45)

    def _upper(self) -> list[Point]:
        root_top, root_bottom = (0.0, -self.upper_depth), (0.0, 12.0)
        tip = (self.length - max(0.0, self.tip_curl), self.tip_drop)
        back = _curve(
            root_top,
            (self.length * 0.36, -self.upper_depth - self.arch_near),
            (self.length * 1.06, -self.upper_depth * 0.7 - self.arch_far),
            tip,
        )
        gape = (self.length * self.gape_at, self.gape_depth)
        inside = _curve(tip, (self.length * 0.86, self.tip_drop * 0.35), (self.length * 0.72, gape[1] - 4), gape)
        rest = _curve(gape, (gape[0] * 0.7, gape[1] + 6), (gape[0] * 0.3, 14), root_bottom)
        return [self._with_knob(point) for point in back] + inside + rest + self._cere()

    def _lower(self) -> list[Point]:
        tip = (self.length * self.lower_length, 22 - self.lower_rise * 0.4)
        top = _curve((0.0, -6.0), (tip[0] * 0.4, -4), (tip[0] * 0.8, tip[1] - 6), tip)
        belly = _curve(
            tip,
            (tip[0] * 0.98, self.lower_depth + self.lower_belly * 0.5),
            (tip[0] * 0.45, self.lower_depth + self.lower_belly),
            (0.0, self.lower_depth),
        )
        root = _curve((0.0, self.lower_depth), (-22, self.lower_depth * 0.9), (-22, 0), (0.0, -6.0))
        return top + belly + root

    def _cere(self) -> list[Point]:
        """The root bulges into the feathers."""
        return _curve((0.0, 12.0), (-26, 6), (-26, -self.upper_depth * 0.7), (0.0, -self.upper_depth))

    def _with_knob(self, point: Point) -> Point:
        distance = (point[0] - self.length * self.knob_at) / self.knob_width
        return (point[0], point[1] - self.knob_height * math.exp(-(distance**2)))


def _curve(start: Point, pull: Point, push: Point, end: Point, steps: int = 40) -> list[Point]:
    """Points of a cubic Bezier curve, both ends included."""
    points = []
    for step in range(steps + 1):
        t = step / steps
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
        corners = (start, pull, push, end)
        points.append(
            (
                sum(w * corner[0] for w, corner in zip(weights, corners, strict=True)),
                sum(w * corner[1] for w, corner in zip(weights, corners, strict=True)),
            )
        )
    return points


def _towards(point: Point, middle: Point, share: float) -> Point:
    return (point[0] + (middle[0] - point[0]) * share, point[1] + (middle[1] - point[1]) * share)


def _placed(points: Sequence[Point]) -> list[Point]:
    return [(_ROOT[0] + x, _ROOT[1] + y) for x, y in points]
