"""A thread of causes as a sequence diagram: its geometry. It is drawn by templates/sequence.html and sequence.css.

Time runs downwards, a row for each step; a column is a service, and the first one is whoever set it off.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby

#: Units of the view box: of a column, of a row, above the first row, and for the times on the left.
_COLUMN, _ROW, _TOP, _LEFT = 210, 34, 44, 84
#: How far a loop reaches to the right.
_LOOP = 34


class Kind(StrEnum):
    """How a row looks."""

    ARROW = "arrow"
    NOTE = "note"
    QUIET = "quiet"
    TROUBLE = "trouble"


@dataclass(frozen=True)
class Drawn:
    """A row as it is wanted. Without an origin it is a note in its column."""

    kind: Kind
    #: A column's name.
    at: str
    time: str
    #: An event's name, which is the same in all languages, and what else is said.
    name: str = ""
    words: str = ""
    origin: str | None = None


@dataclass(frozen=True)
class Column:
    """A service."""

    name: str
    x: float


@dataclass(frozen=True)
class Row:
    """A step: an arrow from x1 to x2, a loop where both are the same, or a note at x2 where x1 is None."""

    kind: Kind
    name: str
    words: str
    time: str
    y: float
    x1: float | None
    x2: float
    label_x: float
    #: As in SVG: `start`, `middle` or `end`.
    anchor: str


@dataclass(frozen=True)
class Diagram:
    """Everything to be drawn, in units of a view box of width x height."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    width: int
    height: int
    top: int = _TOP
    row: int = _ROW
    loop: int = _LOOP


def folded(rows: Iterable[Drawn]) -> list[Drawn]:
    """Make of equal rows that follow each other one that says how many they are."""
    together = [list(group) for _, group in groupby(rows, key=lambda row: replace(row, time=""))]
    return [
        group[0] if len(group) == 1 else replace(group[0], words=f"{group[0].words} ×{len(group)}")
        for group in together
    ]


def sequence_diagram(columns: Sequence[str], rows: Sequence[Drawn]) -> Diagram:
    """Place the rows below each other, with a column for each name."""
    places = {name: _LEFT + (number + 0.5) * _COLUMN for number, name in enumerate(columns)}
    placed = [_place(drawn, places, _TOP + (number + 0.75) * _ROW) for number, drawn in enumerate(rows)]
    return Diagram(
        [Column(name, x) for name, x in places.items()],
        placed,
        width=_LEFT + len(columns) * _COLUMN,
        height=_TOP + round((len(rows) + 0.75) * _ROW),
    )


def _place(drawn: Drawn, places: dict[str, float], y: float) -> Row:
    x2 = places[drawn.at]
    x1 = None if drawn.origin is None else places[drawn.origin]
    if x1 is None or x1 == x2:
        last = x2 == max(places.values())
        beside = 10 if x1 is None else _LOOP + 6
        label_x, anchor = (x2 - 10, "end") if last else (x2 + beside, "start")
    else:
        label_x, anchor = (x1 + x2) / 2, "middle"
    return Row(drawn.kind, drawn.name, drawn.words, drawn.time, y, x1, x2, label_x, anchor)
