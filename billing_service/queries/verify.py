"""Do the books balance?"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import islice

from sqlalchemy.orm import Session

from billing_service.queries.checks import CHECKS, CHECKS_OF_A_DAY, Check

#: Of one kind of fault so many are told; the first ones are enough to start looking.
_TOLD = 20


@dataclass(frozen=True)
class Problem:
    """Something in the books that must not be."""

    fault: str
    detail: str

    def __str__(self) -> str:
        return f"{self.fault}: {self.detail}"


def verify(session: Session) -> list[Problem]:
    """Return everything that is wrong with the books, from the first day on: nothing, if they balance."""
    return _ask(session, CHECKS, None)


def verify_day(session: Session, day: date) -> list[Problem]:
    """Return what is wrong with a closed day; cheap enough to be asked every minute."""
    return _ask(session, CHECKS_OF_A_DAY, day)


def _ask(session: Session, checks: Iterable[Check], day: date | None) -> list[Problem]:
    return [
        Problem(check.fault, row.detail)
        for check in checks
        for row in islice(session.execute(check.sql, {"day": day} if check.of_a_day else {}), _TOLD)
    ]
