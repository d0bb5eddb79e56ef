"""Double entry: every movement of money has two sides, and together they are nothing.

An employee is charged in favour of the company, rewarded by the company, and paid out by way of the bank, whose
balance is what has left the house: https://en.wikipedia.org/wiki/Double-entry_bookkeeping.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Why money moves."""

    FEE = "fee"
    REWARD = "reward"
    PAYOUT = "payout"
    CORRECTION = "correction"


class Side(StrEnum):
    """Whose account an entry is in."""

    EMPLOYEE = "employee"
    COMPANY = "company"
    BANK = "bank"


class Unbalanced(Exception):
    """The entries of a transaction do not sum to zero, or there is no movement in them."""


@dataclass(frozen=True)
class Entry:
    """One side of a movement."""

    side: Side
    #: Positive is what the side gets, negative what it gives, in cents.
    amount_cents: int


@dataclass(frozen=True)
class Transaction:
    """A movement of money between an employee and one other."""

    kind: Kind
    employee: Entry
    other: Entry

    def __post_init__(self) -> None:
        """Raise Unbalanced for what is no movement."""
        if self.employee.amount_cents + self.other.amount_cents != 0:
            raise Unbalanced(f"{self.kind}: {self.employee.amount_cents} and {self.other.amount_cents} are not zero")
        if self.employee.amount_cents == 0:
            raise Unbalanced(f"{self.kind}: nothing moves")

    @property
    def entries(self) -> tuple[Entry, Entry]:
        """Both sides."""
        return self.employee, self.other


def fee(cents: int) -> Transaction:
    """Return the charge for an assignment: from the employee to the company."""
    return _move(Kind.FEE, -_positive(cents), Side.COMPANY)


def reward(cents: int) -> Transaction:
    """Return the pay for a completion: from the company to the employee."""
    return _move(Kind.REWARD, _positive(cents), Side.COMPANY)


def payout(cents: int) -> Transaction:
    """Return the payout of a balance: from the employee's account to the bank."""
    return _move(Kind.PAYOUT, -_positive(cents), Side.BANK)


def correction(cents: int) -> Transaction:
    """Return the correction of an error: positive in favour of the employee, negative of the company."""
    return _move(Kind.CORRECTION, cents, Side.COMPANY)


def _move(kind: Kind, employee_cents: int, other: Side) -> Transaction:
    return Transaction(kind, Entry(Side.EMPLOYEE, employee_cents), Entry(other, -employee_cents))


def _positive(cents: int) -> int:
    if cents <= 0:
        raise Unbalanced(f"{cents} cents are no amount to move")
    return cents
