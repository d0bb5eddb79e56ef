"""The geometry of a bar chart of money by day. What it is drawn with does not matter here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 720, 260
#: Room for the amounts on the left, and for the days below.
_LEFT, _BOTTOM, _TOP = 92, 32, 12
#: Of the room of a day, so much is its bar.
_FILLED = 0.7
_TICKS = 4
_LABELS = 6


@dataclass(frozen=True)
class Bar:
    """A day. `y` is the upper edge, whether the amount is above zero or below."""

    day: date
    cents: int
    x: float
    y: float
    width: float
    height: float
    #: Where the middle is, for a label below; None where there is no room for one.
    label_x: float | None


@dataclass(frozen=True)
class Tick:
    """A line across at a round amount."""

    cents: int
    y: float


@dataclass(frozen=True)
class Chart:
    """Everything to be drawn, in units of a view box of WIDTH x HEIGHT."""

    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    zero_y: float
    left: float = _LEFT
    width: int = WIDTH
    height: int = HEIGHT


def bar_chart(days: Sequence[tuple[date, int]]) -> Chart:
    """Place a bar per day and day's cents, with the zero line always in sight."""
    step = _round_step(max([1, *(abs(cents) for _, cents in days)]))
    top = _steps_up(max([0, *(cents for _, cents in days)]), step)
    bottom = -_steps_up(max([0, *(-cents for _, cents in days)]), step)
    top = max(top, bottom + 1)
    scale = (HEIGHT - _TOP - _BOTTOM) / ((top - bottom) * step)

    def y_of(cents: int) -> float:
        return round(_TOP + (top * step - cents) * scale, 2)

    room = (WIDTH - _LEFT) / max(len(days), 1)
    every = max(1, -(-len(days) // _LABELS))
    bars = [
        Bar(
            day=day,
            cents=cents,
            x=round(_LEFT + number * room + room * (1 - _FILLED) / 2, 2),
            y=y_of(max(cents, 0)),
            width=round(room * _FILLED, 2),
            height=round(abs(cents) * scale, 2),
            label_x=round(_LEFT + (number + 0.5) * room, 2) if number % every == 0 else None,
        )
        for number, (day, cents) in enumerate(days)
    ]
    ticks = [Tick(number * step, y_of(number * step)) for number in range(bottom, top + 1)]
    return Chart(bars, ticks, zero_y=y_of(0))


def _round_step(largest: int) -> int:
    """The least of 1, 2, 5, 10, 20, ... dollars that reaches the largest amount in a few steps."""
    decade = 100
    while True:
        for digit in (1, 2, 5):
            if digit * decade * _TICKS >= largest:
                return digit * decade
        decade *= 10


def _steps_up(cents: int, step: int) -> int:
    return -(-cents // step)
