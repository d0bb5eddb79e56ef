"""What happens on which day of the month. Pure: the days and the chance come as arguments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum, auto
from random import Random

_SATURDAY = 5
#: There is much to do on the first days, whatever days they are: who looks on wants to see something.
_BUSY_FROM_THE_START = 2
_REASSIGNED_EVERY = 6
#: Of tasks that are created on a day, and of open ones that are done: the most and the least.
_TASKS, _TASKS_OF_A_WEEKEND = (18, 32), (2, 5)
_DONE, _DONE_ON_A_WEEKEND = (0.45, 0.75), (0.05, 0.15)


class Accident(Enum):
    """Something that goes wrong, in the order in which it does."""

    WRONG_ADDRESS = auto()
    FOREIGN_MESSAGE = auto()
    SOMEBODY_IS_BLOCKED = auto()
    EVENT_AGAINST_ITS_SCHEMA = auto()
    EVENT_THAT_IS_REFUSED = auto()


@dataclass(frozen=True)
class DayPlan:
    """A day of the company."""

    day: date
    #: How many are created.
    tasks: int
    #: Of the open tasks, those that are done.
    share_done: float
    #: Whether the manager presses the button.
    reassigns: bool
    accidents: Sequence[Accident]


def plan_days(first: date, days: int, random: Random) -> list[DayPlan]:
    """Return the plan of so many days. Every accident happens, however few they are."""
    accidents: dict[int, list[Accident]] = {}
    for number, accident in enumerate(Accident):
        accidents.setdefault(number * days // len(Accident), []).append(accident)
    return [_plan_day(first + timedelta(days=n), n, accidents.get(n, []), random) for n in range(days)]


def _plan_day(day: date, number: int, accidents: Sequence[Accident], random: Random) -> DayPlan:
    weekend = day.weekday() >= _SATURDAY and number >= _BUSY_FROM_THE_START
    return DayPlan(
        day=day,
        tasks=random.randint(*(_TASKS_OF_A_WEEKEND if weekend else _TASKS)),
        share_done=random.uniform(*(_DONE_ON_A_WEEKEND if weekend else _DONE)),
        reassigns=number % _REASSIGNED_EVERY == 1,
        accidents=tuple(accidents),
    )
