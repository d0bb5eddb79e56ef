"""Business days: which one it is, and its end."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from deploy.demo.client import Person
from deploy.demo.clock import Clock

_DAY = timedelta(days=1)
#: When work begins, and when who comes has missed it.
OPENS, ENDS = 9, 16


@dataclass(frozen=True)
class Closed:
    """What a day came to."""

    day: date
    income_cents: int
    paid_cents: int
    #: People who were paid out, and those who carry a debt.
    paid: int
    in_debt: int


def begin(admin: Person, clock: Clock) -> date:
    """Close whatever is over, go to the next morning if the day is nearly over, and return the day that it is then.

    Any number of days may have passed since somebody looked: it is the administrator who confirms them.
    """
    today = clock.now.date()
    if clock.now > clock.at(today, ENDS):
        today += _DAY
    last_closed = max((day for day, status in _days(admin) if status == "closed"), default=date.min)
    today = max(today, last_closed + _DAY)
    clock.pass_until(clock.at(today, OPENS))
    _close_all_before(admin, today)
    return today


def close(admin: Person, clock: Clock, day: date) -> Closed:
    """Let the night pass, close the day, and return what it came to."""
    clock.pass_until(clock.at(day + _DAY, OPENS))
    admin.ask("POST", "billing", f"/api/v1/days/{day}/close")
    lines = list(_lines(admin, day))
    return Closed(
        day=day,
        income_cents=sum(line["fees_cents"] - line["rewards_cents"] for line in lines),
        paid_cents=sum(line["payout_cents"] for line in lines),
        paid=sum(line["payout_cents"] > 0 for line in lines),
        in_debt=sum(line["closing_cents"] < 0 for line in lines),
    )


def _close_all_before(admin: Person, day: date) -> None:
    still_open = [one for one, status in _days(admin) if status == "open" and one < day]
    if still_open:
        confirmed = {"from": str(min(still_open))}
        admin.ask("POST", "billing", f"/api/v1/days/{day - _DAY}/close", params=confirmed)


def _days(admin: Person) -> Iterator[tuple[date, str]]:
    for item in admin.everything("billing", "/api/v1/days"):
        yield date.fromisoformat(item["day"]), item["status"]


def _lines(admin: Person, day: date) -> Iterator[Any]:
    return admin.everything("billing", f"/api/v1/days/{day}/statements")
