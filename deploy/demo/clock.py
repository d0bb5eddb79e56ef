"""The business clocks of the four services, which go forward together."""

from collections.abc import Iterator
from concurrent.futures import Executor
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from deploy.demo.client import Person
from deploy.errors import DeployError
from deploy.settings import SERVICES

_PATH = "/api/v1/clock"
#: What no service lets its clock be put forward by at once.
MOST_AT_ONCE = timedelta(days=3)
_NO_DEMONSTRATION = 404
_WOULD_GO_BACK = 422


def steps(ahead: int, target: int) -> Iterator[int]:
    """Yield the seconds by which a clock is to be ahead, one move after the other, until it is at the target."""
    while ahead < target:
        ahead = min(target, ahead + int(MOST_AT_ONCE.total_seconds()))
        yield ahead


class Clock:
    """What the time is in the company. A service that was away, or a run that was cut short, has left one behind."""

    def __init__(self, admin: Person, pool: Executor) -> None:
        """Read the clocks, and put forward those that are behind. Raises DeployError if this is no demonstration."""
        self._admin = admin
        self._pool = pool
        shown = dict(zip(SERVICES, pool.map(self._read, SERVICES), strict=True))
        self._ahead = {service: clock["ahead_seconds"] for service, clock in shown.items()}
        billing = shown["billing"]
        #: The zone in which business days start and end.
        self.zone = ZoneInfo(billing["time_zone"])
        real = datetime.fromisoformat(billing["now"]) - timedelta(seconds=billing["ahead_seconds"])
        #: Of the databases' clock before this host's.
        self._skew = real - datetime.now(UTC)
        self._put_forward(max(self._ahead.values()))

    @property
    def now(self) -> datetime:
        """What the clocks show, in the time zone of the business."""
        ahead = timedelta(seconds=max(self._ahead.values()))
        return (datetime.now(UTC) + self._skew + ahead).astimezone(self.zone)

    def at(self, day: date, hour: int) -> datetime:
        """Return the moment at which it is so many o'clock on that day."""
        return datetime.combine(day, time(hour), self.zone)

    def pass_until(self, moment: datetime) -> None:
        """Put the clocks forward to this moment; they stay where they are if it is over."""
        seconds = (moment - self.now).total_seconds()
        if seconds > 0:
            self._put_forward(max(self._ahead.values()) + round(seconds))

    def even_out(self) -> None:
        """Let all clocks show the same again, wherever somebody was interrupted: one after the other."""
        target = max(self._ahead.values())
        for service in SERVICES:
            self._put_one_forward(service, target)

    def _read(self, service: str) -> Any:
        answer = self._admin.ask("GET", service, _PATH, expect=(_NO_DEMONSTRATION,))
        if answer.status_code == _NO_DEMONSTRATION:
            raise DeployError(
                f"This installation is no demonstration: the clock of {service} cannot be put forward. "
                "A demonstration is started by `ATES_DEMO=1 make up`, best in a state folder of its own."
            )
        return answer.json()

    def _put_forward(self, target: int) -> None:
        """Billing first: no other service is ever in a day that it has not begun."""
        self._put_one_forward("billing", target)
        others = [service for service in SERVICES if service != "billing"]
        list(self._pool.map(lambda service: self._put_one_forward(service, target), others))

    def _put_one_forward(self, service: str, target: int) -> None:
        for ahead in steps(self._ahead[service], target):
            self._ahead[service] = max(ahead, self._move(service, ahead))

    def _move(self, service: str, ahead: int) -> int:
        """Return by how much the clock of the service is ahead now: somebody else may have put it further."""
        body = {"ahead_seconds": ahead}
        answer = self._admin.ask("PUT", service, _PATH, json=body, expect=(_WOULD_GO_BACK,))
        found = answer.json() if answer.ok else self._read(service)
        if found["ahead_seconds"] < ahead:
            raise DeployError(f"The clock of {service} cannot be put forward: {answer.text}")
        seconds: int = found["ahead_seconds"]
        return seconds
