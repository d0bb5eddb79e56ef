"""What becomes of a balance at the end of a day."""

from dataclasses import dataclass


def amount_to_pay(balance_cents: int) -> int:
    """Return what is paid out of the balance of a day: all of it, or nothing of a debt."""
    return max(balance_cents, 0)


@dataclass(frozen=True, kw_only=True)
class Movements:
    """What a day did to one account, or to all of them together, in cents."""

    opening_cents: int = 0
    fees_cents: int = 0
    rewards_cents: int = 0
    corrections_cents: int = 0
    payout_cents: int = 0

    @property
    def closing_cents(self) -> int:
        """Return the balance that the day left behind."""
        return self.opening_cents + self.rewards_cents - self.fees_cents + self.corrections_cents - self.payout_cents


def income(fees_cents: int, rewards_cents: int) -> int:
    """Return what the management earned: payouts and corrections are no part of it."""
    return fees_cents - rewards_cents
