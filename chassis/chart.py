"""A bar chart of money by day: its geometry. It is drawn by templates/chart.html and static/chart.css."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 720, 260
#: Room for the amounts on the left, and for the days below.
_LEFT, _TOP, _BOTTOM = 92, 12, 32
#: Of the room of a day, so much is its bar.
_FILLED = 0.7
_LINES = 4
_LABELS = 6
#: Room for the words of a label, on a small screen.
_LABEL = 76


@dataclass(frozen=True)
class Bar:
    """A day's amount, above the zero line or below it. `y` is the upper edge."""

    day: date
    cents: int
    x: float
    y: float
    width: float
    height: float
    #: Where the middle of the label below is; None where there is no room for one.
    label_x: float | None


@dataclass(frozen=True)
class Line:
    """A line across at a round amount."""

    cents: int
    y: float


@dataclass(frozen=True)
class Chart:
    """Everything to be drawn, in units of a view box of WIDTH x HEIGHT."""

    bars: Sequence[Bar]
    #: From the lowest up; zero is among them.
    lines: Sequence[Line]
    zero_y: float
    left: int = _LEFT
    width: int = WIDTH
    height: int = HEIGHT


def bar_chart(amounts: Sequence[tuple[date, int]]) -> Chart:
    """Place a bar for each day's cents; zero is always in sight."""
    highest = max([0, *(cents for _, cents in amounts)])
    lowest = min([0, *(cents for _, cents in amounts)])
    step = _round_step(max(highest, -lowest))
    top, bottom = -(-highest // step), lowest // step
    if top == bottom:
        top += 1
    scale = (HEIGHT - _TOP - _BOTTOM) / ((top - bottom) * step)

    def y_of(cents: int) -> float:
        return round(_TOP + (top * step - cents) * scale, 1)

    room = (WIDTH - _LEFT) / max(len(amounts), 1)
    every = max(1, -(-len(amounts) // _LABELS))
    bars = [
        Bar(
            day=day,
            cents=cents,
            x=round(_LEFT + (number + (1 - _FILLED) / 2) * room, 1),
            y=y_of(max(cents, 0)),
            width=round(room * _FILLED, 1),
            height=round(abs(cents) * scale, 1),
            label_x=round(min(_LEFT + (number + 0.5) * room, WIDTH - _LABEL / 2), 1) if number % every == 0 else None,
        )
        for number, (day, cents) in enumerate(amounts)
    ]
    lines = [Line(number * step, y_of(number * step)) for number in range(bottom, top + 1)]
    return Chart(bars, lines, y_of(0))


def _round_step(largest: int) -> int:
    """Return the least of $1, $2, $5, $10, ... that reaches the largest amount in a few steps, in cents."""
    step, factors = 100, (2, 5, 10)
    while True:
        for candidate in (step, *(step * factor for factor in factors)):
            if candidate * _LINES >= largest:
                return candidate
        step *= 10
